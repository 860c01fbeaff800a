//! Reachable: the guest answered an uninterrupted stream of probes from outside, with no gap above a limit.

use std::time::{Duration, Instant, SystemTime};

use humantime::format_duration;

use super::lost::{self, LOST};
use super::{About, Advice, AfterAll, Asked, Check, End, Moment, Outage, Proof, Scene, Silence};
use crate::failure::Result;
use crate::guest::LossKind;
use crate::probe::Summary;
use crate::scenario::{Profile, Scenario};

pub static ABOUT: About = About {
    id: "reachable",
    summary: "reachable",
    how: "ICMP echoes from outside through the whole scenario, every 10 ms; no gap above `max_gap`; a guest that a scenario \
          has proved runs and answers until the next one begins",
    asked: &[Moment::Leg, Moment::End],
    advice: &[GAP, SILENT, LOST],
    ..About::BASE
};

const GAP: Advice = Advice::new(
    "a guest answered no probe for longer than `max_gap`",
    "compare the time of the gap with the migrations in record.jsonl: outside of them the guest or its link was down, or the \
     machine had no CPU for it. MULTIVM_MAX_GAP sets the limit",
);

const SILENT: Advice = Advice::new(
    "a guest does not answer our program's questions",
    "read the guest's console log in the evidence: did its kernel die?",
);

/// The check.
pub struct Reachable;

impl Check for Reachable {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, scenario: &Scenario, profile: &Profile) -> String {
        let aside = if scenario.boots_itself() { ", boots aside" } else { "" };
        format!(
            "reachable: it answers a probe every {} through the whole scenario; no gap is longer than {}{aside}",
            format_duration(profile.probe_interval),
            format_duration(profile.max_gap)
        )
    }

    fn after_all(&self, after: &AfterAll<'_>) -> Vec<Proof> {
        lost::after_all(&ABOUT, after, LossKind::Unreachable, &LOST)
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(ReachableAsked {
            limit: longest_gap(scene.scenario, &scene.fleet.profile),
            boots: scene.scenario.boots_itself(),
            before: lost::before(&ABOUT, scene.fleet, LossKind::Unreachable, &LOST),
        }))
    }
}

struct ReachableAsked {
    /// How long a guest's network may be silent.
    limit: Duration,
    /// Whether guests are told to boot meanwhile.
    boots: bool,
    /// Findings about guests that were lost before the scenario. The end reports them: the guests are whole again, and move.
    before: Vec<Proof>,
}

impl Asked for ReachableAsked {
    fn on_silence(&mut self, silence: &Silence<'_>) -> Vec<Proof> {
        vec![silent(silence.why, silence.asked).of(&silence.guest.name).after(silence.leg)]
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let mut proofs = std::mem::take(&mut self.before);
        match end.probes {
            Ok(summaries) => {
                let judge = |summary: &Summary| self.judge(summary).of(&summary.guest);
                proofs.extend(summaries.iter().map(judge));
            }
            Err(failure) => proofs.push(unknown(&failure.to_string())),
        }
        proofs
    }
}

impl ReachableAsked {
    fn judge(&self, summary: &Summary) -> Proof {
        let gap = if self.boots { Outage::gap_with_boot } else { Outage::gap };
        check(summary, self.limit).tells(gap(summary.longest.from, summary.longest.length))
    }
}

/// The longest gap that a scenario allows; it includes a boot where the moving guests boot.
fn longest_gap(scenario: &Scenario, profile: &Profile) -> Duration {
    profile.max_gap + if scenario.boots_itself() { profile.boot_timeout } else { Duration::ZERO }
}

/// Proves that the guest answered, with no gap longer than `limit`.
pub fn check(summary: &Summary, limit: Duration) -> Proof {
    let longest = summary.longest.length;
    let ok = summary.received > 0 && longest <= limit;
    let seen = format!(
        "longest gap {:.3} s, from {}; {} of {} probes answered",
        longest.as_secs_f64(),
        humantime::format_rfc3339_millis(wall(summary.longest.from)),
        summary.received,
        summary.sent
    );
    let expected = format!("answers to probes from outside with no gap above {:.3} s", limit.as_secs_f64());
    Proof::new(&ABOUT, ok, expected, seen).advise(&GAP)
}

/// The finding about a stream that ended too early.
pub fn unknown(why: &str) -> Proof {
    Proof::new(&ABOUT, false, "an uninterrupted stream of probes", format!("not known: {why}"))
}

/// The finding about a guest that does not answer a look that began at `asked`.
pub fn silent(why: &str, asked: Instant) -> Proof {
    Proof::new(&ABOUT, false, "the guest answers a question over ssh", why).advise(&SILENT).of_silence(asked)
}

/// A past moment by this machine's realtime clock.
fn wall(at: Instant) -> SystemTime {
    SystemTime::now() - at.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Counts, Gap};

    #[test]
    fn a_silent_guest_is_not_reachable() {
        let summary = Summary {
            guest: "vm1".into(),
            sent: 10,
            received: 0,
            counts: Counts::new(Instant::now()),
            gaps: Vec::new(),
            longest: Gap { from: Instant::now(), length: Duration::from_millis(200) },
            readings: Vec::new(),
            bursts: Vec::new(),
            stalls: Default::default(),
        };
        assert!(!check(&summary, Duration::from_secs(10)).ok);
        assert!(check(&Summary { received: 1, ..summary }, Duration::from_secs(10)).ok);
    }
}
