//! The log of a scenario's moves, and of the looks that are still due.

use std::collections::{BTreeMap, BTreeSet};

use crate::migration::LegReport;
use crate::plan::{Leg, Step};

/// The moves so far and the guests to look at, by their numbers in the fleet.
#[derive(Debug, Default)]
pub struct StepLog {
    /// Every move that is over, with the number of its step.
    legs: Vec<(usize, Leg, LegReport)>,
    /// Guests that have moved since their last look.
    unproved: BTreeMap<usize, Leg>,
    /// Guests with a look under way.
    looking: BTreeSet<usize>,
    /// Guests without an earlier look to compare with: they restarted and never came up.
    lost: BTreeSet<usize>,
}

impl StepLog {
    /// Notes the end of a migration, in the step of that number.
    pub fn leg_over(&mut self, step: usize, leg: Leg, report: LegReport) {
        self.unproved.insert(leg.guest, leg);
        self.legs.push((step, leg, report));
    }

    /// Notes that a look at a guest begins, and returns the move that the look charges.
    pub fn look_begins(&mut self, guest: usize) -> Option<Leg> {
        self.looking.insert(guest);
        self.unproved.get(&guest).copied()
    }

    /// Notes the end of a look.
    pub fn look_ends(&mut self, guest: usize) {
        self.looking.remove(&guest);
        self.unproved.remove(&guest);
    }

    /// Notes a guest that never came up again.
    pub fn lose(&mut self, guest: usize) {
        self.look_ends(guest);
        self.lost.insert(guest);
    }

    /// A guest that moves in this step and whose look has not ended.
    pub fn due(&self, step: &Step) -> Option<usize> {
        step.legs.iter().map(|leg| leg.guest).find(|guest| self.looking.contains(guest))
    }

    /// A guest with a look under way.
    pub fn looking(&self) -> Option<usize> {
        self.looking.first().copied()
    }

    /// Whether there is an earlier look at a guest to compare with.
    pub fn is_known(&self, guest: usize) -> bool {
        !self.lost.contains(&guest)
    }

    /// The moves of a completed step, in the order of the plan.
    pub fn of_step(&self, number: usize, step: &Step) -> Vec<(Leg, LegReport)> {
        let report = |leg: &Leg| {
            let over = self.legs.iter().find(|(of, over, _)| (*of, over) == (number, leg));
            over.map(|(_, leg, report)| (*leg, report.clone()))
        };
        step.legs.iter().filter_map(report).collect()
    }

    /// Every move of a guest, with the number of its step, in the order of time.
    pub fn of_guest(&self, guest: usize) -> Vec<&(usize, Leg, LegReport)> {
        self.legs.iter().filter(|(_, leg, _)| leg.guest == guest).collect()
    }

    /// The reports of all moves.
    pub fn into_reports(self) -> Vec<LegReport> {
        self.legs.into_iter().map(|(_, _, report)| report).collect()
    }

    /// The guest whose move was the first to fail.
    pub fn first_failed(&self) -> Option<usize> {
        self.legs.iter().find(|(_, _, report)| report.error.is_some()).map(|(_, leg, _)| leg.guest)
    }

    /// Whether any move was completed.
    pub fn has_completed(&self) -> bool {
        self.legs.iter().any(|(_, _, report)| report.error.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Direction;

    fn leg(guest: usize, direction: Direction) -> Leg {
        Leg { guest, direction, round: 1 }
    }

    fn step(guests: &[usize], direction: Direction) -> Step {
        Step::of(guests.iter().map(|guest| leg(*guest, direction)).collect())
    }

    #[test]
    fn the_first_move_that_failed_names_its_guest() {
        let mut log = StepLog::default();
        log.leg_over(0, leg(0, Direction::Out), LegReport::default());
        assert_eq!(log.first_failed(), None);
        for guest in [2, 1] {
            let error = Some(crate::failure::Cause::from("aborted"));
            log.leg_over(0, leg(guest, Direction::Out), LegReport { error, ..LegReport::default() });
        }
        assert_eq!(log.first_failed(), Some(2));
    }

    #[test]
    fn a_step_waits_for_looks_at_the_guests_that_move_in_it_and_for_no_others() {
        let mut log = StepLog::default();
        for guest in [0, 1, 2] {
            log.leg_over(0, leg(guest, Direction::Out), LegReport::default());
            assert_eq!(log.look_begins(guest), Some(leg(guest, Direction::Out)));
        }
        log.look_ends(0);
        assert_eq!(log.due(&step(&[0], Direction::Back)), None);
        assert_eq!(log.due(&step(&[0, 2, 1], Direction::Back)), Some(2));
        log.look_ends(2);
        log.look_ends(1);
        assert_eq!(log.due(&step(&[0, 1, 2], Direction::Back)), None);
    }

    #[test]
    fn a_second_look_after_a_move_is_charged_to_no_move() {
        let mut log = StepLog::default();
        assert_eq!(log.look_begins(0), None);
        log.look_ends(0);
        log.leg_over(0, leg(0, Direction::Out), LegReport::default());
        assert_eq!(log.look_begins(0), Some(leg(0, Direction::Out)));
        log.look_ends(0);
        assert_eq!(log.look_begins(0), None);
    }

    #[test]
    fn a_move_of_which_nobody_has_looked_at_the_guest_is_not_forgotten_by_the_next() {
        let mut log = StepLog::default();
        log.leg_over(0, leg(0, Direction::Out), LegReport::default());
        log.leg_over(1, leg(1, Direction::Out), LegReport::default());
        assert_eq!(log.look_begins(0), Some(leg(0, Direction::Out)));
    }

    #[test]
    fn the_moves_of_a_step_are_in_the_order_of_the_plan() {
        let mut log = StepLog::default();
        let both = Step::crossing(leg(0, Direction::Out), leg(2, Direction::Back));
        log.leg_over(4, leg(2, Direction::Back), LegReport::default());
        log.leg_over(4, leg(0, Direction::Out), LegReport::default());
        let legs: Vec<Leg> = log.of_step(4, &both).into_iter().map(|(leg, _)| leg).collect();
        assert_eq!(legs, both.legs);
        assert!(log.of_step(3, &both).is_empty());
    }

    #[test]
    fn a_stack_that_completed_a_move_does_not_refuse_them() {
        let mut log = StepLog::default();
        log.leg_over(
            0,
            leg(0, Direction::Out),
            LegReport { error: Some("no".into()), ..LegReport::default() },
        );
        assert!(!log.has_completed());
        log.leg_over(1, leg(1, Direction::Out), LegReport::default());
        assert!(log.has_completed());
        assert_eq!(log.of_guest(0).len(), 1);
    }

    #[test]
    fn a_guest_that_never_came_up_is_not_looked_at() {
        let mut log = StepLog::default();
        log.leg_over(0, leg(0, Direction::Out), LegReport::default());
        log.lose(0);
        assert!(!log.is_known(0) && log.is_known(1));
        assert_eq!(log.looking(), None);
    }
}
