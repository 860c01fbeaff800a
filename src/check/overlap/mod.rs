//! They moved at the same time: in a step of several migrations, the memory of each was on its way together with another's.
//!
//! A step may leave that open, if migrations are over before they are looked at. A scenario in which every step does has not
//! been played in its order as far as anybody knows, which is a finding at its end.

mod about;
mod moving;
mod step;
#[cfg(test)]
mod testing;

use super::{About, Asked, Check, End, Proof, Scene, StepEnd};
use crate::failure::Result;
use crate::scenario::Scenario;
pub use about::ABOUT;
use about::UNSEEN;
use step::{StepMoves, StepOverlap};

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
        Ok(Box::new(OverlapAsked::default()))
    }
}

#[derive(Default)]
struct OverlapAsked {
    /// A step is proved, or it has a finding, here or elsewhere: the end adds nothing to it.
    is_settled: bool,
    /// When memory may have moved in each of the steps that leave it open.
    open: Vec<String>,
}

impl Asked for OverlapAsked {
    fn on_step(&mut self, end: &StepEnd<'_>) -> Vec<Proof> {
        // A failed migration has a finding of its own, and nobody knows what it would have shown.
        if end.legs.iter().any(|(_, report)| report.error.is_some()) {
            self.is_settled = true;
            return Vec::new();
        }
        let [(first, _), _, ..] = end.legs else { return Vec::new() };
        let step = StepMoves::of(end.legs);
        match step.overlap() {
            StepOverlap::Open => self.open.push(step.spans()),
            StepOverlap::Together(_) | StepOverlap::Apart(_) => self.is_settled = true,
        }
        vec![step.proof().after(*first)]
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        // An interrupted scenario might have had a step that shows it.
        if end.interrupted { Vec::new() } else { self.judge_all().into_iter().collect() }
    }
}

impl OverlapAsked {
    /// The finding of a scenario in which no step shows that migrations moved at once; none if one does, or if there is no
    /// step of several.
    fn judge_all(&self) -> Option<Proof> {
        let last = self.open.last().filter(|_| !self.is_settled)?;
        let expected = "a step in which memory of several migrations is seen on its way at once";
        let steps = self.open.len();
        let seen =
            format!("not known of any step of several migrations, {steps} in all; of the last one: {last}");
        Some(Proof::new(&ABOUT, false, expected, seen).advise(&UNSEEN))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use rstest::rstest;

    use super::testing::{FIRST_PASS, STOP, hearing, leg};
    use super::*;
    use crate::failure::Cause;
    use crate::migration::LegReport;
    use crate::plan::Leg;
    use crate::scenario::Direction;

    /// A step of two guests.
    #[derive(Clone, Copy)]
    enum Step {
        /// Both are seen at work at once.
        Together,
        /// The second is not up before the first is over.
        Apart,
        /// Both are over before they are looked at.
        Open,
        /// One of those fails.
        Fails,
        /// One guest moves alone.
        Alone,
    }

    fn legs(step: Step) -> Vec<(Leg, LegReport)> {
        let zero = Instant::now();
        let guest = |number, ended, events: &[_], samples: &[_]| {
            hearing(leg(number, Direction::Out, zero, ended, samples), events)
        };
        let moves: &[_] = &[(100, FIRST_PASS), (900, STOP)];
        match step {
            Step::Together => vec![guest(0, 1000, moves, &[]), guest(1, 1000, moves, &[])],
            Step::Apart => vec![guest(0, 1000, moves, &[]), guest(1, 2000, &[], &[(1100, 0)])],
            Step::Open => vec![guest(0, 1000, moves, &[]), guest(1, 300, &[], &[])],
            Step::Fails => {
                let mut legs = legs(Step::Open);
                legs[1].1.error = Some(Cause::from("no"));
                legs
            }
            Step::Alone => vec![guest(0, 1000, &[], &[])],
        }
    }

    /// What the check finds in a scenario of these steps.
    fn found(steps: &[Step], interrupted: bool) -> Vec<Proof> {
        let mut asked = OverlapAsked::default();
        let mut proofs = Vec::new();
        for step in steps {
            let (legs, now) = (legs(*step), Instant::now());
            proofs.extend(asked.on_step(&StepEnd { legs: &legs, crosses: false, began: now, ended: now }));
        }
        let answering = BTreeMap::new();
        let end = End { probes: Ok(&[]), paces: &[], downtimes: &[], answering: &answering, interrupted };
        proofs.extend(asked.at_end(&end));
        proofs.retain(|proof| !proof.ok);
        proofs
    }

    /// The steps of a scenario, and how the only finding begins.
    #[rstest]
    #[case::every_step_is_open(&[Step::Open, Step::Open], Some("not known of any step of several migrations, 2 in all; "))]
    #[case::of_guests_that_cross(&[Step::Alone, Step::Open, Step::Alone], Some("not known of any step of several migrations, 1 in all; "))]
    #[case::one_step_shows_it(&[Step::Open, Step::Together], None)]
    #[case::the_first_step_shows_it(&[Step::Together, Step::Open], None)]
    #[case::one_step_has_its_finding(&[Step::Open, Step::Apart], Some("one after the other: "))]
    #[case::a_migration_failed(&[Step::Open, Step::Fails], None)]
    #[case::no_step_of_several(&[Step::Alone, Step::Alone], None)]
    fn a_scenario_needs_a_step_that_shows_it(#[case] steps: &[Step], #[case] told: Option<&str>) {
        let seen: Vec<String> = found(steps, false).into_iter().map(|proof| proof.seen).collect();
        assert_eq!(seen.len(), usize::from(told.is_some()), "{seen:?}");
        assert!(told.is_none_or(|told| seen[0].starts_with(told)), "{seen:?}");
    }

    #[test]
    fn what_is_not_known_says_what_was_looked_at_and_what_to_do() {
        let found = found(&[Step::Open], false);
        let spans = "guest 1 from 0.000 to 1.000 s (seen from 0.100 to 0.900), guest 2 from 0.000 to 0.300 s (never seen)";
        assert!(found[0].seen.ends_with(spans), "{}", found[0].seen);
        assert_eq!(found[0].advice, Some(&UNSEEN));
        assert!(found[0].about.chance.is_some(), "it is worth another play");
    }

    #[test]
    fn an_interrupted_scenario_might_have_shown_it() {
        assert_eq!(found(&[Step::Open], true), []);
        assert_eq!(found(&[Step::Apart], true).len(), 1, "what is known stays a finding");
    }
}
