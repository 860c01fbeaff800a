//! They moved at the same time: in a step of several migrations, the memory of each was on its way together with another's.
//!
//! Overlapping libvirt calls prove little, since a host may let one call wait for the other. Samples of each job's
//! statistics and QEMU's events prove more: QEMU sends memory from its first pass until it stops the guest. Memory certainly
//! moved from the first sample with bytes (or the first pass, if no later sample has none) to the last incomplete sample (or
//! the stop). It certainly did not move before the last sample without bytes, nor after the migration's end. The time
//! between these bounds is unknown: a migration may end before a second look.

use std::time::{Duration, Instant};

use super::{About, Advice, Asked, Check, Moment, Proof, Scene, StepEnd};
use crate::failure::Result;
use crate::libvirt::{Detail, EventKind, LifecycleEvent};
use crate::migration::LegReport;
use crate::plan::Leg;
use crate::scenario::Scenario;

pub static ABOUT: About = About {
    id: "overlap",
    summary: "they moved at once",
    how: "in a step of several migrations, the statistics of their jobs, sampled four times a second, have bytes of each on their \
          way together with another's, or leave it open; in one that crosses, there are two of both directions; a scenario in \
          which they do not is played once more, with a slower first pass",
    asked: &[Moment::Step],
    only: Some("orders with several guests under way"),
    chance: Some("a machine whose CPUs are all taken may start one migration when another is over already"),
    advice: &[APART],
    ..About::BASE
};

const APART: Advice = Advice::new(
    "the migrations of a step came one after the other",
    "job_sample in record.jsonl has the bytes of each over time, leg_started and leg_finished its call: did a host make one wait for the \
     other (a lock, a limit of incoming migrations), or did a call come late?",
);

/// The check.
pub struct MovedTogether;

impl Check for MovedTogether {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        scenario.order.row().parallel
    }

    fn begin<'a>(&self, _scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(OverlapAsked))
    }
}

struct OverlapAsked;

impl Asked for OverlapAsked {
    fn on_step(&mut self, end: &StepEnd<'_>) -> Vec<Proof> {
        // A failed migration has a finding of its own, and nobody knows what it would have shown.
        let complete = end.legs.iter().all(|(_, report)| report.error.is_none());
        match end.legs {
            [(first, _), _, ..] if complete => vec![check(end.legs).after(*first)],
            _ => Vec::new(),
        }
    }
}

/// The time in which one migration moved memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moving {
    /// Memory certainly did not move before the first moment, nor after the second.
    at_most: (Instant, Instant),
    /// Memory certainly moved from the first moment to the second; none if no look saw it move.
    at_least: Option<(Instant, Instant)>,
}

impl Moving {
    fn of(report: &LegReport) -> Option<Moving> {
        let (began, ended) = report.began.zip(report.ended)?;
        let all = report.stats.as_ref().and_then(|stats| stats.data_processed_bytes);
        let on_its_way = |(_, bytes): &&(Instant, u64)| *bytes > 0 && all.is_none_or(|all| *bytes < all);
        let idle = report.samples.iter().take_while(|(_, bytes)| *bytes == 0).last().map(|(at, _)| *at);
        let seen = report.samples.iter().find(on_its_way).map(|(at, _)| *at);
        let first_pass =
            at(report, EventKind::MigrationIteration(1)).filter(|pass| idle.is_none_or(|idle| idle <= *pass));
        let stop =
            at(report, EventKind::Lifecycle { event: LifecycleEvent::Suspended, detail: Detail::Migrated });
        let last = report.samples.iter().rfind(on_its_way).map(|(at, _)| *at);
        let first = first_pass.into_iter().chain(seen).min();
        let last = stop.into_iter().chain(last).max();
        // libvirt starts the guest on the other host before it tells the source to send.
        let up =
            at(report, EventKind::Lifecycle { event: LifecycleEvent::Started, detail: Detail::Migrated });
        let earliest = [Some(began), idle, up].into_iter().flatten().max().unwrap_or(began);
        Some(Moving { at_most: (earliest.min(ended), ended), at_least: first.zip(last) })
    }

    /// How long both certainly moved together, whether they certainly did not, or that neither is known.
    fn with(&self, other: &Moving) -> Together {
        let common = |one: (Instant, Instant), other: (Instant, Instant)| {
            one.1.min(other.1).checked_duration_since(one.0.max(other.0))
        };
        match self.at_least.zip(other.at_least).and_then(|(one, other)| common(one, other)) {
            Some(time) => Together::For(time),
            None if common(self.at_most, other.at_most).is_some_and(|time| !time.is_zero()) => {
                Together::Perhaps
            }
            None => Together::Never,
        }
    }
}

/// When this event first reached the guest, on either host.
fn at(report: &LegReport, kind: EventKind) -> Option<Instant> {
    report.events.iter().find(|event| event.kind == kind).map(|event| event.at)
}

/// Whether two migrations moved memory at the same time. A later variant proves more of a step than an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Together {
    Never,
    Perhaps,
    For(Duration),
}

/// Proves a step. That all of its migrations move at the same moment is no more than they may: a small guest is there
/// before a large one begins. One that moves alone had to wait for all others, or they for it.
fn check(legs: &[(Leg, LegReport)]) -> Proof {
    let crosses = legs.iter().any(|(leg, _)| leg.direction != legs[0].0.direction);
    let moving: Vec<(Leg, Moving)> =
        legs.iter().filter_map(|(leg, report)| Some((*leg, Moving::of(report)?))).collect();
    let best_of = |number: usize, counts: fn(&Leg, &Leg) -> bool| {
        let (leg, its) = &moving[number];
        let others =
            moving.iter().enumerate().filter(|(other, (with, _))| *other != number && counts(leg, with));
        others.map(|(_, (_, other))| its.with(other)).max()
    };
    let across: fn(&Leg, &Leg) -> bool = |one, other| one.direction != other.direction;
    let any: fn(&Leg, &Leg) -> bool = |_, _| true;
    let best =
        (0..moving.len()).filter_map(|number| best_of(number, if crosses { across } else { any })).max();
    let alone: Vec<String> = (0..moving.len())
        .filter(|number| matches!(best_of(*number, any), Some(Together::Never) | None))
        .map(|number| format!("guest {}", moving[number].0.guest + 1))
        .collect();
    let (ok, seen) = match best {
        Some(Together::Never) | None => (false, format!("one after the other: {}", spans(&moving))),
        Some(_) if !alone.is_empty() => {
            (false, format!("{} together with no other: {}", alone.join(", "), spans(&moving)))
        }
        Some(Together::For(time)) => {
            let (most, seconds) = (most_at_once(&moving), time.as_secs_f64());
            (true, format!("{most} of {} at once, two of them for {seconds:.3} s or longer", legs.len()))
        }
        Some(Together::Perhaps) => {
            (true, "not known: they were over before they were looked at often enough".to_owned())
        }
    };
    let expected = match crosses {
        true => {
            "memory of each on its way together with another's, and of an outbound with an inbound migration's"
        }
        false => "memory of each migration on its way together with another's",
    };
    Proof::new(&ABOUT, ok, expected, seen).advise(&APART)
}

/// The most migrations that certainly moved memory at one moment.
fn most_at_once(moving: &[(Leg, Moving)]) -> usize {
    let spans: Vec<(Instant, Instant)> = moving.iter().filter_map(|(_, moving)| moving.at_least).collect();
    // A moment with the most of them is the beginning of one.
    let at = |moment: Instant| spans.iter().filter(|(from, to)| *from <= moment && moment <= *to).count();
    spans.iter().map(|(from, _)| at(*from)).max().unwrap_or(0)
}

/// `guest 1 from 0.000 to 1.250 s, guest 2 from 1.500 to 2.750 s`
fn spans(moving: &[(Leg, Moving)]) -> String {
    let zero = moving.iter().map(|(_, moving)| moving.at_most.0).min();
    let since = |at: Instant| zero.map_or(0.0, |zero| (at - zero).as_secs_f64());
    let span = |(leg, moving): &(Leg, Moving)| {
        let (from, to) = moving.at_most;
        format!("guest {} from {:.3} to {:.3} s", leg.guest + 1, since(from), since(to))
    };
    moving.iter().map(span).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::libvirt::{HostEvent, JobStats};
    use crate::scenario::Direction;

    /// A migration that was called at 0: when it ended, and its samples, in ms; 900 bytes in all.
    fn leg(
        guest: usize,
        direction: Direction,
        zero: Instant,
        ended: u64,
        samples: &[(u64, u64)],
    ) -> (Leg, LegReport) {
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let report = LegReport {
            began: Some(zero),
            ended: Some(at(ended)),
            samples: samples.iter().map(|(ms, bytes)| (at(*ms), *bytes)).collect(),
            stats: Some(JobStats { data_processed_bytes: Some(900), ..JobStats::default() }),
            ..LegReport::default()
        };
        (Leg { guest, direction, round: 1 }, report)
    }

    #[rstest]
    #[case::together(&[(250, 300), (500, 800)], &[(250, 0), (500, 200), (750, 700)], Some(true))]
    #[case::one_waits(&[(250, 300), (500, 800)], &[(250, 0), (500, 0), (1100, 0), (1350, 500)], Some(false))]
    #[case::both_too_short(&[], &[], None)]
    #[case::one_too_short(&[(250, 300), (500, 800)], &[], None)]
    #[case::waits_and_is_too_short_after_it(&[(250, 300), (500, 800)], &[(500, 0), (1100, 0)], Some(false))]
    #[case::all_was_sent_at_the_first_look(&[(250, 900)], &[(250, 900)], None)]
    fn bytes_say_who_moved_together(
        #[case] one: &[(u64, u64)],
        #[case] other: &[(u64, u64)],
        #[case] together: Option<bool>,
        #[values(Direction::Out, Direction::Back)] direction: Direction,
    ) {
        let zero = Instant::now();
        let proof = check(&[leg(0, Direction::Out, zero, 1000, one), leg(1, direction, zero, 2000, other)]);
        assert_eq!(proof.ok, together != Some(false), "{proof:?}");
        assert_eq!(proof.seen.starts_with("not known"), together.is_none(), "{proof:?}");
    }

    /// Migrations that were over before a sample saw them at work.
    #[rstest]
    #[case::at_once(100, true)]
    #[case::after_the_other(1100, false)]
    fn the_first_pass_and_the_stop_say_it_too(#[case] pass: u64, #[case] together: bool) {
        let zero = Instant::now();
        let moved = |guest, pass: u64, ended| {
            let at = |ms: u64, kind| HostEvent {
                host: "source".into(),
                domain: "vm1".into(),
                at: zero + Duration::from_millis(ms),
                wall: std::time::SystemTime::now(),
                kind,
            };
            let stop = EventKind::Lifecycle { event: LifecycleEvent::Suspended, detail: Detail::Migrated };
            let idle: &[(u64, u64)] = if pass > 1000 { &[(1050, 0)] } else { &[] };
            let (leg, mut report) = leg(guest, Direction::Out, zero, ended, idle);
            report.events = vec![at(pass, EventKind::MigrationIteration(1)), at(ended - 100, stop)];
            (leg, report)
        };
        let proof = check(&[moved(0, 100, 1000), moved(1, pass, pass + 900)]);
        assert_eq!(proof.ok, together, "{proof:?}");
        assert!(!proof.seen.starts_with("not known"), "{proof:?}");
    }

    /// As seen of a target that took one guest at a time, in migrations that no sample saw at work.
    #[rstest]
    #[case::while_the_other_moves(100, "not known")]
    #[case::when_the_other_is_over(1010, "one after the other")]
    fn nothing_moves_before_the_guest_is_up_on_the_other_host(#[case] up: u64, #[case] told: &str) {
        let zero = Instant::now();
        let kind = EventKind::Lifecycle { event: LifecycleEvent::Started, detail: Detail::Migrated };
        let started = HostEvent {
            host: "target".into(),
            domain: "vm1".into(),
            at: zero + Duration::from_millis(up),
            wall: std::time::SystemTime::now(),
            kind,
        };
        let (second, mut report) = leg(1, Direction::Out, zero, 1900, &[]);
        report.events = vec![started];
        let proof = check(&[leg(0, Direction::Out, zero, 1000, &[]), (second, report)]);
        assert!(proof.seen.starts_with(told), "{proof:?}");
    }

    #[test]
    fn who_moves_together_with_no_other_is_told() {
        let zero = Instant::now();
        let busy: &[(u64, u64)] = &[(250, 300), (500, 800)];
        let late: &[(u64, u64)] = &[(250, 0), (1100, 0), (1350, 500), (1600, 800)];
        let out = |guest, ended, samples| leg(guest, Direction::Out, zero, ended, samples);
        let proof = check(&[out(0, 1000, busy), out(1, 1000, busy), out(2, 2000, late)]);
        assert!(!proof.ok && proof.seen.starts_with("guest 3 together with no other: "), "{proof:?}");
        assert!(proof.seen.contains("guest 3 from 1.100 to 2.000 s"), "{proof:?}");
        // A host may have had no CPU for the third and fourth before.
        let two = check(&[out(0, 1000, busy), out(1, 1000, busy), out(2, 2000, late), out(3, 2000, late)]);
        assert!(two.ok && two.seen.starts_with("2 of 4 at once, two of them for 0.250 s"), "{two:?}");
        assert!(
            check(&[out(0, 1000, busy), out(1, 1000, busy), out(2, 1000, busy)]).seen.starts_with("3 of 3")
        );
    }

    #[test]
    fn those_that_are_to_cross_move_together_with_one_of_the_other_direction() {
        let zero = Instant::now();
        let busy: &[(u64, u64)] = &[(250, 300), (500, 800)];
        let late: &[(u64, u64)] = &[(250, 0), (1100, 0), (1350, 500)];
        let out = |guest, ended, samples| leg(guest, Direction::Out, zero, ended, samples);
        let back = |guest, ended, samples| leg(guest, Direction::Back, zero, ended, samples);
        assert!(check(&[out(0, 1000, busy), out(1, 1000, busy)]).ok);
        let proof = check(&[out(0, 1000, busy), out(1, 1000, busy), back(2, 2000, late)]);
        assert!(!proof.ok && proof.expected.contains("inbound"), "{proof:?}");
        assert!(proof.seen.contains("guest 3 from 1.100 to 2.000 s"), "{proof:?}");
    }
}
