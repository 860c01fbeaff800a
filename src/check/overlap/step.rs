//! A step of several migrations: which of them moved memory together, by when each of them did.

use std::time::{Duration, Instant};

use super::about::{ABOUT, APART};
use super::moving::{Moving, Together};
use crate::check::Proof;
use crate::migration::LegReport;
use crate::plan::Leg;

/// The migrations of one step, each with when it moved memory.
pub(super) struct StepMoves {
    moving: Vec<(Leg, Moving)>,
    /// How many migrations the step has, also of those of which nothing is known.
    legs: usize,
    crosses: bool,
}

/// What a step shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepOverlap {
    /// Two of them, of both directions where guests cross, certainly moved together for that long.
    Together(Duration),
    /// It may be so or not.
    Open,
    /// Migrations came one after the other: those that were together with no other; all if there are no names.
    Apart(Vec<String>),
}

impl StepMoves {
    pub fn of(legs: &[(Leg, LegReport)]) -> StepMoves {
        StepMoves {
            moving: legs.iter().filter_map(|(leg, report)| Some((*leg, Moving::of(report)?))).collect(),
            legs: legs.len(),
            crosses: legs.iter().any(|(leg, _)| leg.direction != legs[0].0.direction),
        }
    }

    /// Judges the step. That all of its migrations move at the same moment is no more than they may: a small guest is there
    /// before a large one begins. One that moves alone had to wait for all others, or they for it.
    pub fn overlap(&self) -> StepOverlap {
        let any: fn(&Leg, &Leg) -> bool = |_, _| true;
        let across: fn(&Leg, &Leg) -> bool = |one, other| one.direction != other.direction;
        let counts = if self.crosses { across } else { any };
        let all = 0..self.moving.len();
        let best = all.clone().filter_map(|number| self.best_of(number, counts)).max();
        let alone: Vec<String> = all
            .filter(|number| matches!(self.best_of(*number, any), Some(Together::Never) | None))
            .map(|number| format!("guest {}", self.moving[number].0.guest + 1))
            .collect();
        match best {
            Some(Together::Never) | None => StepOverlap::Apart(Vec::new()),
            Some(_) if !alone.is_empty() => StepOverlap::Apart(alone),
            Some(Together::For(time)) => StepOverlap::Together(time),
            Some(Together::Perhaps) => StepOverlap::Open,
        }
    }

    /// The most that one migration was together with any of those that count; none if there is no such other one.
    fn best_of(&self, number: usize, counts: fn(&Leg, &Leg) -> bool) -> Option<Together> {
        let (leg, its) = &self.moving[number];
        let others = self.moving.iter().enumerate();
        let others = others.filter(|(other, (with, _))| *other != number && counts(leg, with));
        others.map(|(_, (_, other))| its.with(other)).max()
    }

    /// Proves the step: migrations moved together, or that is left open.
    pub fn proof(&self) -> Proof {
        let (ok, seen) = match self.overlap() {
            StepOverlap::Apart(alone) if alone.is_empty() => {
                (false, format!("one after the other: {}", self.spans()))
            }
            StepOverlap::Apart(alone) => {
                (false, format!("{} together with no other: {}", alone.join(", "), self.spans()))
            }
            StepOverlap::Together(time) => {
                let (most, seconds) = (self.most_at_once(), time.as_secs_f64());
                (true, format!("{most} of {} at once, two of them for {seconds:.3} s or longer", self.legs))
            }
            StepOverlap::Open => {
                (true, "not known: they were over before they were looked at often enough".to_owned())
            }
        };
        let expected = match self.crosses {
            true => {
                "memory of each on its way together with another's, and of an outbound with an inbound migration's"
            }
            false => "memory of each migration on its way together with another's",
        };
        Proof::new(&ABOUT, ok, expected, seen).advise(&APART)
    }

    /// The most migrations that certainly moved memory at one moment.
    fn most_at_once(&self) -> usize {
        let spans: Vec<(Instant, Instant)> =
            self.moving.iter().filter_map(|(_, moving)| moving.at_least).collect();
        // A moment with the most of them is the beginning of one.
        let at = |moment: Instant| spans.iter().filter(|(from, to)| *from <= moment && moment <= *to).count();
        spans.iter().map(|(from, _)| at(*from)).max().unwrap_or(0)
    }

    /// `guest 1 from 0.000 to 1.250 s (seen from 0.250 to 1.000), guest 2 from 1.500 to 2.750 s (never seen)`
    pub fn spans(&self) -> String {
        let zero = self.moving.iter().map(|(_, moving)| moving.at_most.0).min();
        // Events of another host may come before what is known of the first migration.
        let since = |at: Instant| {
            zero.map_or(0.0, |zero| {
                at.saturating_duration_since(zero).as_secs_f64()
                    - zero.saturating_duration_since(at).as_secs_f64()
            })
        };
        let span = |(leg, moving): &(Leg, Moving)| {
            let (from, to) = moving.at_most;
            let seen = match moving.at_least {
                Some((first, last)) => format!("seen from {:.3} to {:.3}", since(first), since(last)),
                None => "never seen".to_owned(),
            };
            format!("guest {} from {:.3} to {:.3} s ({seen})", leg.guest + 1, since(from), since(to))
        };
        self.moving.iter().map(span).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::testing::{FIRST_PASS, STOP, SWITCH, UP, hearing, leg, sending_for};
    use super::*;
    use crate::libvirt::EventKind;
    use crate::scenario::Direction;

    fn prove(legs: &[(Leg, LegReport)]) -> Proof {
        StepMoves::of(legs).proof()
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
        let proof = prove(&[leg(0, Direction::Out, zero, 1000, one), leg(1, direction, zero, 2000, other)]);
        assert_eq!(proof.ok, together != Some(false), "{proof:?}");
        assert_eq!(proof.seen.starts_with("not known"), together.is_none(), "{proof:?}");
    }

    /// The second of two migrations, of which the first begins to move at 100 ms, stops its guest at 900 ms, has sent the rest
    /// 50 ms later, and has returned at 1000 ms: its samples, its events and its return. No sample sees either at work.
    #[rstest]
    #[case::at_once(&[], &[(100, FIRST_PASS), (900, STOP)], 1000, Some(true))]
    #[case::after_the_other(&[(1050, 0)], &[(1100, FIRST_PASS), (1900, STOP)], 2000, Some(false))]
    // QEMU has counted no byte yet when the sample is answered that its first pass asks for.
    #[case::none_is_counted_at_first(&[(505, 0)], &[(500, FIRST_PASS), (700, STOP)], 800, Some(true))]
    #[case::a_later_pass(&[(505, 0)], &[(500, FIRST_PASS), (600, EventKind::MigrationIteration(2)), (950, STOP)], 1000, Some(true))]
    #[case::post_copy(&[], &[(300, FIRST_PASS), (600, SWITCH)], 1000, Some(true))]
    #[case::while_the_rest_goes(&[], &[(920, UP), (930, FIRST_PASS), (1200, STOP)], 1300, Some(true))]
    // The first one's call returns late, so that it may have moved until then.
    #[case::before_the_other_returns(&[], &[(960, UP), (970, FIRST_PASS), (990, STOP)], 1900, None)]
    fn events_say_it_of_short_migrations(
        #[case] samples: &[(u64, u64)],
        #[case] events: &[(u64, EventKind)],
        #[case] ended: u64,
        #[case] together: Option<bool>,
    ) {
        let zero = Instant::now();
        let first = hearing(leg(0, Direction::Out, zero, 1000, &[]), &[(100, FIRST_PASS), (900, STOP)]);
        let first = sending_for(first, 850);
        let proof = prove(&[first, hearing(leg(1, Direction::Out, zero, ended, samples), events)]);
        assert_eq!(proof.ok, together != Some(false), "{proof:?}");
        assert_eq!(proof.seen.starts_with("not known"), together.is_none(), "{proof:?}");
    }

    /// As seen of a target that took one guest at a time, in migrations that no sample saw at work.
    #[rstest]
    #[case::while_the_other_moves(100, "not known")]
    #[case::when_the_other_is_over(1010, "one after the other")]
    fn nothing_moves_before_the_guest_is_up_on_the_other_host(#[case] up: u64, #[case] told: &str) {
        let zero = Instant::now();
        let second = hearing(leg(1, Direction::Out, zero, 1900, &[]), &[(up, UP)]);
        let proof = prove(&[leg(0, Direction::Out, zero, 1000, &[]), second]);
        assert!(proof.seen.starts_with(told), "{proof:?}");
    }

    #[test]
    fn who_moves_together_with_no_other_is_told() {
        let zero = Instant::now();
        let busy: &[(u64, u64)] = &[(250, 300), (500, 800)];
        let late: &[(u64, u64)] = &[(250, 0), (1100, 0), (1350, 500), (1600, 800)];
        let out = |guest, ended, samples| leg(guest, Direction::Out, zero, ended, samples);
        let proof = prove(&[out(0, 1000, busy), out(1, 1000, busy), out(2, 2000, late)]);
        assert!(!proof.ok && proof.seen.starts_with("guest 3 together with no other: "), "{proof:?}");
        assert!(proof.seen.contains("guest 3 from 1.100 to 2.000 s"), "{proof:?}");
        // A host may have had no CPU for the third and fourth before.
        let two = prove(&[out(0, 1000, busy), out(1, 1000, busy), out(2, 2000, late), out(3, 2000, late)]);
        assert!(two.ok && two.seen.starts_with("2 of 4 at once, two of them for 0.250 s"), "{two:?}");
        assert!(
            prove(&[out(0, 1000, busy), out(1, 1000, busy), out(2, 1000, busy)]).seen.starts_with("3 of 3")
        );
    }

    #[test]
    fn those_that_are_to_cross_move_together_with_one_of_the_other_direction() {
        let zero = Instant::now();
        let busy: &[(u64, u64)] = &[(250, 300), (500, 800)];
        let late: &[(u64, u64)] = &[(250, 0), (1100, 0), (1350, 500)];
        let out = |guest, ended, samples| leg(guest, Direction::Out, zero, ended, samples);
        let back = |guest, ended, samples| leg(guest, Direction::Back, zero, ended, samples);
        assert!(prove(&[out(0, 1000, busy), out(1, 1000, busy)]).ok);
        let proof = prove(&[out(0, 1000, busy), out(1, 1000, busy), back(2, 2000, late)]);
        assert!(!proof.ok && proof.expected.contains("inbound"), "{proof:?}");
        assert!(proof.seen.contains("guest 3 from 1.100 to 2.000 s"), "{proof:?}");
    }
}
