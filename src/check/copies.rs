//! Never two copies: the check asks both hosts which guests run, again and again through the whole scenario.
//!
//! A migration may move a guest from one host to the other between two questions, so two answers that both have it prove
//! nothing. The check therefore asks the first host again: a guest that ran there before and after it ran on the second host
//! had two copies. The resolution is [`INTERVAL`] plus the time that three answers take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use super::{About, Advice, Asked, Check, End, Moment, Outage, Proof, Scene};
use crate::failure::Result;
use crate::host::Hosts;
use crate::libvirt::Connection;
use crate::sys::halt::ran_since;
use crate::sys::stop::StopFlag;
use crate::sys::watch::Watch;

pub static ABOUT: About = About {
    id: "copies",
    summary: "never two copies",
    how: "both hosts are asked four times a second, through the whole scenario, which guests run",
    asked: &[Moment::End],
    advice: &[DOUBLED, BLIND],
    ..About::BASE
};

const DOUBLED: Advice = Advice::new(
    "a guest ran on both hosts",
    "two copies write to one disk: its image is lost. Keep the folder of the run: libvirtd.log of both hosts in the evidence \
     says who started the second one",
);

const BLIND: Advice = Advice::new(
    "a host did not say which guests run",
    "was libvirtd restarted, or its host down? libvirtd.log is in the evidence",
);

/// The check.
pub struct NeverTwice;

impl Check for NeverTwice {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let watch = watch(&scene.fleet.hosts)?;
        Ok(Box::new(CopiesAsked { watch: Some(watch), limit: scene.fleet.profile.blind_limit() }))
    }
}

struct CopiesAsked {
    watch: Option<Watch<CopyWatch>>,
    /// How long the watch may be blind.
    limit: Duration,
}

impl Asked for CopiesAsked {
    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let Some(watch) = self.watch.take() else { return Vec::new() };
        let seen = seen(watch);
        // Nobody waits for an answer after an interruption.
        check(&CopyWatch { ends_blind: seen.ends_blind && !end.interrupted, ..seen }, self.limit)
    }
}

/// The time between two looks.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// What the watch saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyWatch {
    /// Looks that both hosts answered.
    pub looks: u64,
    /// Guests that ran on both hosts, each with the moment of the first such look.
    pub doubled: BTreeMap<String, SystemTime>,
    /// The error of the last question that had no answer.
    pub error: Option<String>,
    /// The longest time between two complete looks.
    pub blind: Duration,
    /// When that time began; none without a look.
    pub blind_from: Option<Instant>,
    /// Whether the last looks were not complete: a host that does not answer may do so for longer than the scenario is watched.
    pub ends_blind: bool,
}

/// Begins to watch both hosts.
fn watch(hosts: &Hosts) -> Result<Watch<CopyWatch>> {
    let (source, target) = (hosts.source.control.clone(), hosts.target.control.clone());
    Watch::start("copy-watch", move |stop| look_until(&source, &target, stop))
}

/// Ends the watch and returns what it saw.
fn seen(watch: Watch<CopyWatch>) -> CopyWatch {
    watch
        .stop()
        .unwrap_or_else(|failure| CopyWatch { error: Some(failure.to_string()), ..CopyWatch::default() })
}

fn look_until(source: &Connection, target: &Connection, stop: &StopFlag) -> CopyWatch {
    let mut copies = CopyWatch::default();
    let mut last = Instant::now();
    loop {
        let next = Instant::now() + INTERVAL;
        // After the end it looks once more if it was blind before: one failure may be chance.
        let is_last = stop.is_set();
        if is_last && !copies.ends_blind {
            return copies;
        }
        let looked = look(source, target);
        let blind = ran_since(last);
        if blind > copies.blind {
            (copies.blind, copies.blind_from) = (blind, Some(last));
        }
        copies.ends_blind = looked.is_err();
        match looked {
            Ok(doubled) => {
                copies.looks += 1;
                last = Instant::now();
                for guest in doubled {
                    copies.doubled.entry(guest).or_insert_with(SystemTime::now);
                }
            }
            Err(error) => copies.error = Some(error.to_string()),
        }
        if is_last {
            return copies;
        }
        stop.pause(next.saturating_duration_since(Instant::now()));
    }
}

fn look(source: &Connection, target: &Connection) -> crate::libvirt::Result<Vec<String>> {
    let before = source.running()?;
    let there = target.running()?;
    if !before.iter().any(|guest| there.contains(guest)) {
        return Ok(Vec::new());
    }
    let after = source.running()?;
    Ok(before.into_iter().filter(|guest| there.contains(guest) && after.contains(guest)).collect())
}

/// A finding for every guest that had two copies; one proof that holds if no guest had. A watch that was blind for longer
/// than `limit`, or to its end, proves nothing.
fn check(copies: &CopyWatch, limit: Duration) -> Vec<Proof> {
    let expected = format!("never running on both hosts, asked every {} ms", INTERVAL.as_millis());
    let blind = copies.blind.as_secs_f64();
    if copies.doubled.is_empty() && (copies.looks == 0 || copies.blind > limit || copies.ends_blind) {
        let error = copies.error.as_deref().unwrap_or("no answer");
        let seen = format!("not known for {blind:.1} s: {error}");
        let proof = Proof::new(&ABOUT, false, expected, seen).advise(&BLIND).of_no_answer();
        return vec![proof.tells(Outage::of_libvirt(copies.blind_from.unwrap_or_else(Instant::now)))];
    }
    if copies.doubled.is_empty() {
        let seen = format!("none in {} looks, at most {blind:.1} s apart", copies.looks);
        return vec![Proof::new(&ABOUT, true, expected, seen)];
    }
    let proof = |(guest, at): (&String, &SystemTime)| {
        let at = humantime::format_rfc3339_millis(*at);
        let seen = format!("running on both hosts at the same time, first at {at}");
        Proof::new(&ABOUT, false, expected.clone(), seen).advise(&DOUBLED).of(guest)
    };
    copies.doubled.iter().map(proof).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_saw_nothing_proves_nothing() {
        let limit = Duration::from_secs(5);
        assert!(!check(&CopyWatch::default(), limit)[0].ok);
        assert!(check(&CopyWatch { looks: 3, ..CopyWatch::default() }, limit)[0].ok);
        let blind = CopyWatch { looks: 3, blind: Duration::from_secs(6), ..CopyWatch::default() };
        assert!(!check(&blind, limit)[0].ok);
        let ends_blind = CopyWatch { looks: 3, ends_blind: true, ..CopyWatch::default() };
        let proof = &check(&ends_blind, limit)[0];
        assert!(!proof.ok && proof.unanswered, "{proof:?}");
        let copies = CopyWatch {
            looks: 3,
            doubled: [("vm2".to_owned(), SystemTime::now())].into(),
            ..CopyWatch::default()
        };
        let proof = &check(&copies, limit)[0];
        assert!(proof.guest.as_deref() == Some("vm2") && !proof.ok && proof.seen.contains("both hosts"));
    }
}
