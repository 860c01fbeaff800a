//! The storage served: the server with the guests' images answered through the whole scenario. What guests do without their disks is
//! chance, so that this finding explains whatever else is found meanwhile.

use std::time::{Duration, Instant};

use super::answers::{Answers, ask_until};
use super::{About, Advice, Asked, Check, End, Moment, Outage, Proof, Scene};
use crate::failure::Result;
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
        let watch =
            Watch::start("storage-watch", move |stop| ask_until(stop, INTERVAL, || service.serves()))?;
        Ok(Box::new(StorageAsked { watch: Some(watch), limit: scene.fleet.profile.blind_limit() }))
    }
}

struct StorageAsked {
    watch: Option<Watch<Answers>>,
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

fn check(seen: &Answers, limit: Duration) -> Proof {
    let longest = seen.longest.as_secs_f64();
    if seen.longest <= limit && !seen.ends_silent {
        let seen = format!("{} answers, at most {longest:.1} s apart", seen.count);
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
    use rstest::rstest;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn one_that_does_not_answer_to_the_end_is_found_however_short_that_is() {
        let error = Some("cannot ask: no answer".to_owned());
        let proof = check(&Answers { count: 9, error, ends_silent: true, ..Answers::default() }, LIMIT);
        assert!(!proof.ok && proof.seen.ends_with(" s, and at the end: cannot ask: no answer"), "{proof:?}");
        assert!(proof.outage.is_some_and(|outage| outage.is_cause()));
    }

    #[rstest]
    #[case::late(10, true)]
    #[case::too_late(11, false)]
    fn one_that_was_silent_for_too_long_is_found(#[case] seconds: u64, #[case] ok: bool) {
        let longest = Duration::from_secs(seconds);
        let seen = Answers { count: 9, longest, from: Some(Instant::now()), ..Answers::default() };
        assert_eq!(check(&seen, LIMIT).ok, ok);
    }
}
