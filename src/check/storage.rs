//! The storage served: the server with the guests' images answered through the whole scenario. What guests do without their disks is
//! chance, so that this finding explains whatever else is found meanwhile.

use std::time::{Duration, Instant};

use super::{About, Advice, Asked, Check, End, Moment, Outage, Proof, Scene};
use crate::failure::Result;
use crate::sys::halt::ran_since;
use crate::sys::stop::StopFlag;
use crate::sys::watch::Watch;

pub static ABOUT: About = About {
    id: "storage",
    summary: "the storage served",
    how: "the storage is asked every 2 s, through the whole scenario, whether it serves: the programs of an NFS server by which QEMU \
          mounts an export, or the file system of a mount",
    asked: &[Moment::End],
    advice: &[SILENT],
    ..About::BASE
};

const SILENT: Advice = Advice::new(
    "the storage did not serve for a while, or to the end",
    "did its server end, or does its disk or its network hang? Its logs are in the evidence; what guests showed meanwhile is in \
     record.jsonl, as check_explained",
);

/// The check.
pub struct StorageServed;

impl Check for StorageServed {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let service = scene.fleet.storage.service();
        let watch = Watch::start("storage-watch", move |stop| ask_until(|| service.serves(), stop))?;
        Ok(Box::new(StorageAsked { watch: Some(watch), limit: scene.fleet.profile.blind_limit() }))
    }
}

struct StorageAsked {
    watch: Option<Watch<StorageWatch>>,
    /// How long the storage may give no answer.
    limit: Duration,
}

impl Asked for StorageAsked {
    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let Some(watch) = self.watch.take() else { return Vec::new() };
        let seen = watch.stop();
        if end.interrupted {
            return Vec::new();
        }
        vec![match seen {
            Ok(seen) => check(&seen, self.limit),
            Err(failure) => Proof::new(&ABOUT, false, EXPECTED, format!("not known: {failure}")),
        }]
    }
}

/// The time between two questions.
const INTERVAL: Duration = Duration::from_secs(2);

const EXPECTED: &str = "the storage serves, asked every 2 s";

/// The answers of the storage.
#[derive(Debug, Default)]
struct StorageWatch {
    answers: u64,
    /// The longest time between two answers, and when it began.
    longest: Duration,
    from: Option<Instant>,
    /// The error of the last question without an answer.
    error: Option<String>,
    /// Whether the last questions had no answer.
    ends_silent: bool,
}

fn ask_until(serves: impl Fn() -> Result<()>, stop: &StopFlag) -> StorageWatch {
    let mut seen = StorageWatch::default();
    let mut last = Instant::now();
    loop {
        let next = Instant::now() + INTERVAL;
        // After the end it asks once more if there was no answer before: one failure may be chance.
        let is_last = stop.is_set();
        if is_last && !seen.ends_silent {
            return seen;
        }
        let answer = serves();
        let silent = ran_since(last);
        if silent > seen.longest {
            (seen.longest, seen.from) = (silent, Some(last));
        }
        seen.ends_silent = answer.is_err();
        match answer {
            Ok(()) => {
                seen.answers += 1;
                last = Instant::now();
            }
            Err(failure) => seen.error = Some(failure.to_string()),
        }
        if is_last {
            return seen;
        }
        stop.pause(next.saturating_duration_since(Instant::now()));
    }
}

fn check(seen: &StorageWatch, limit: Duration) -> Proof {
    let longest = seen.longest.as_secs_f64();
    if seen.longest <= limit && !seen.ends_silent {
        let seen = format!("{} answers, at most {longest:.1} s apart", seen.answers);
        return Proof::new(&ABOUT, true, EXPECTED, seen);
    }
    let error = seen.error.as_deref().unwrap_or("it was late");
    let to_the_end = if seen.ends_silent { ", and at the end" } else { "" };
    let from = seen.from.unwrap_or_else(Instant::now);
    let over = (!seen.ends_silent).then(|| from + seen.longest);
    Proof::new(&ABOUT, false, EXPECTED, format!("no answer for {longest:.1} s{to_the_end}: {error}"))
        .advise(&SILENT)
        .tells(Outage::of_storage(from, over))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rstest::rstest;

    use super::*;
    use crate::failure::Failure;

    const LIMIT: Duration = Duration::from_secs(10);

    /// What is seen of a storage that gives these answers, until whoever watches is told to stop with the last but one of them.
    fn seen(answers: &[bool]) -> StorageWatch {
        let (stop, asked) = (StopFlag::new(), Cell::new(0));
        let serves = || {
            let number = asked.replace(asked.get() + 1);
            if number + 2 >= answers.len() {
                stop.set();
            }
            answers[number].then_some(()).ok_or_else(|| Failure::new("ask", "no answer"))
        };
        ask_until(serves, &stop)
    }

    #[test]
    fn an_answer_at_the_end_is_enough() {
        assert!(check(&seen(&[true, true]), LIMIT).ok);
        assert!(check(&seen(&[false, true]), LIMIT).ok, "it answers when it is asked once more");
    }

    #[test]
    fn one_that_does_not_answer_to_the_end_is_found_however_short_that_is() {
        let proof = check(&seen(&[false, false]), LIMIT);
        assert!(!proof.ok && proof.seen.ends_with(" s, and at the end: cannot ask: no answer"), "{proof:?}");
        assert!(proof.outage.is_some_and(|outage| outage.is_cause()));
    }

    #[rstest]
    #[case::late(10, true)]
    #[case::too_late(11, false)]
    fn one_that_was_silent_for_too_long_is_found(#[case] seconds: u64, #[case] ok: bool) {
        let longest = Duration::from_secs(seconds);
        let seen =
            StorageWatch { answers: 9, longest, from: Some(Instant::now()), ..StorageWatch::default() };
        assert_eq!(check(&seen, LIMIT).ok, ok);
    }
}
