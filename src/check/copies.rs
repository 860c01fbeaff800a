//! Never two copies: the check asks both hosts which guests run, again and again through the whole scenario.
//!
//! A migration may move a guest from one host to the other between two questions, so two answers that both have it prove
//! nothing. The check therefore asks the first host again: a guest that ran there before and after it ran on the second host
//! had two copies. The resolution is [`INTERVAL`] plus the time that three answers take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use super::answers::{Answers, ask_until};
use super::{About, Advice, Asked, Check, End, Moment, Outage, Proof, Scene};
use crate::failure::Result;
use crate::host::Hosts;
use crate::libvirt::Connection;
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
        let ends_silent = seen.looks.ends_silent && !end.interrupted;
        check(&CopyWatch { looks: Answers { ends_silent, ..seen.looks }, ..seen }, self.limit)
    }
}

/// The time between two looks.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// What the watch saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyWatch {
    /// Looks at both hosts: one that a host does not answer is none.
    pub looks: Answers,
    /// Guests that ran on both hosts, each with the moment of the first such look.
    pub doubled: BTreeMap<String, SystemTime>,
}

/// Begins to watch both hosts.
fn watch(hosts: &Hosts) -> Result<Watch<CopyWatch>> {
    let (source, target) = (hosts.source.control.clone(), hosts.target.control.clone());
    Watch::start("copy-watch", move |stop| look_until(&source, &target, stop))
}

/// Ends the watch and returns what it saw.
fn seen(watch: Watch<CopyWatch>) -> CopyWatch {
    watch.stop().unwrap_or_else(|failure| CopyWatch {
        looks: Answers { error: Some(failure.to_string()), ..Answers::default() },
        ..CopyWatch::default()
    })
}

fn look_until(source: &Connection, target: &Connection, stop: &StopFlag) -> CopyWatch {
    let mut doubled = BTreeMap::new();
    let looks = ask_until(stop, INTERVAL, || {
        for guest in look(source, target)? {
            doubled.entry(guest).or_insert_with(SystemTime::now);
        }
        Ok::<_, crate::libvirt::Error>(())
    });
    CopyWatch { looks, doubled }
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
    let CopyWatch { looks, doubled } = copies;
    let blind = looks.longest.as_secs_f64();
    if doubled.is_empty() && (looks.count == 0 || looks.longest > limit || looks.ends_silent) {
        let error = looks.error.as_deref().unwrap_or("no answer");
        let seen = format!("not known for {blind:.1} s: {error}");
        let proof = Proof::new(&ABOUT, false, expected, seen).advise(&BLIND).of_no_answer();
        return vec![proof.tells(Outage::of_libvirt(looks.from.unwrap_or_else(Instant::now)))];
    }
    if doubled.is_empty() {
        let seen = format!("none in {} looks, at most {blind:.1} s apart", looks.count);
        return vec![Proof::new(&ABOUT, true, expected, seen)];
    }
    let proof = |(guest, at): (&String, &SystemTime)| {
        let at = humantime::format_rfc3339_millis(*at);
        let seen = format!("running on both hosts at the same time, first at {at}");
        Proof::new(&ABOUT, false, expected.clone(), seen).advise(&DOUBLED).of(guest)
    };
    doubled.iter().map(proof).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_saw_nothing_proves_nothing() {
        let limit = Duration::from_secs(5);
        assert!(!check(&CopyWatch::default(), limit)[0].ok);
        let of = |looks: Answers| check(&CopyWatch { looks, ..CopyWatch::default() }, limit).remove(0);
        let three = || Answers { count: 3, ..Answers::default() };
        assert!(of(three()).ok);
        assert!(!of(Answers { longest: Duration::from_secs(6), ..three() }).ok);
        let proof = of(Answers { ends_silent: true, ..three() });
        assert!(!proof.ok && proof.unanswered, "{proof:?}");
        let copies = CopyWatch { looks: three(), doubled: [("vm2".to_owned(), SystemTime::now())].into() };
        let proof = &check(&copies, limit)[0];
        assert!(proof.guest.as_deref() == Some("vm2") && !proof.ok && proof.seen.contains("both hosts"));
    }
}
