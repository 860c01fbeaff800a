//! The log of a scenario's moves, and of the looks that are still due.
//!
//! A guest may make its next move beside the look after its last one, but not the move after that: a finding would not say
//! which of three moves it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

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
    looking: BTreeMap<usize, LookUnderWay>,
    /// Guests that arrived beside an earlier look. Another look is due when that one has ended.
    owed: BTreeSet<usize>,
    /// Guests that move.
    moving: BTreeSet<usize>,
    /// Guests without an earlier look to compare with: they restarted and never came up.
    lost: BTreeSet<usize>,
}

#[derive(Debug)]
struct LookUnderWay {
    /// The move that the look charges.
    leg: Option<Leg>,
    /// The guest's next move, which has begun since.
    beside: Option<Leg>,
    began: Instant,
}

impl StepLog {
    /// Notes that a guest begins to move.
    pub fn leg_begins(&mut self, leg: Leg) {
        self.moving.insert(leg.guest);
        if let Some(look) = self.looking.get_mut(&leg.guest) {
            look.beside.get_or_insert(leg);
        }
    }

    /// Notes the end of a migration, in the step of that number.
    pub fn leg_over(&mut self, step: usize, leg: Leg, report: LegReport) {
        self.moving.remove(&leg.guest);
        self.unproved.insert(leg.guest, leg);
        self.legs.push((step, leg, report));
    }

    /// Notes that all moves of a step are over, even those without a report.
    pub fn step_over(&mut self) {
        self.moving.clear();
    }

    /// Whether a guest moves.
    pub fn is_moving(&self, guest: usize) -> bool {
        self.moving.contains(&guest)
    }

    /// Whether a look at a guest that has arrived can begin. Otherwise the log notes that it is owed.
    pub fn may_look(&mut self, guest: usize) -> bool {
        let free = !self.looking.contains_key(&guest);
        if !free {
            self.owed.insert(guest);
        }
        free
    }

    /// Notes that a look at a guest begins, and returns the move that the look charges.
    pub fn look_begins(&mut self, guest: usize) -> Option<Leg> {
        let leg = self.unproved.get(&guest).copied();
        self.owed.remove(&guest);
        self.looking.insert(guest, LookUnderWay { leg, beside: None, began: Instant::now() });
        leg
    }

    /// When the look at a guest began that is under way.
    pub fn look_began(&self, guest: usize) -> Option<Instant> {
        self.looking.get(&guest).map(|look| look.began)
    }

    /// Notes the end of a look, and returns the guest's next move if that has begun meanwhile.
    pub fn look_ends(&mut self, guest: usize) -> Option<Leg> {
        let look = self.looking.remove(&guest)?;
        if self.unproved.get(&guest).copied() == look.leg {
            self.unproved.remove(&guest);
        }
        look.beside
    }

    /// Whether another look at a guest is owed.
    pub fn owes_look(&self, guest: usize) -> bool {
        self.owed.contains(&guest)
    }

    /// Notes a guest that never came up again.
    pub fn lose(&mut self, guest: usize) {
        self.looking.remove(&guest);
        self.owed.remove(&guest);
        self.unproved.remove(&guest);
        self.lost.insert(guest);
    }

    /// A guest that moves in this step and that has moved already beside a look that has not ended.
    pub fn due(&self, step: &Step) -> Option<usize> {
        let is_due = |guest: &usize| {
            self.looking.get(guest).is_some_and(|look| self.unproved.get(guest).copied() != look.leg)
        };
        step.legs.iter().map(|leg| leg.guest).find(is_due)
    }

    /// A guest with a look under way.
    pub fn looking(&self) -> Option<usize> {
        self.looking.keys().next().copied()
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
    fn a_guest_moves_beside_the_look_after_its_last_move_and_not_beside_an_earlier_one() {
        let mut log = StepLog::default();
        let (out, back) = (leg(0, Direction::Out), leg(0, Direction::Back));
        log.leg_over(0, out, LegReport::default());
        assert!(log.may_look(0));
        assert_eq!(log.look_begins(0), Some(out));
        assert_eq!(log.due(&step(&[0], Direction::Back)), None);
        log.leg_begins(back);
        assert!(log.is_moving(0));
        log.leg_over(1, back, LegReport::default());
        assert!(!log.is_moving(0) && !log.may_look(0));
        assert_eq!(log.due(&step(&[1, 0], Direction::Out)), Some(0));
        assert_eq!(log.due(&step(&[1], Direction::Out)), None);
        assert_eq!(log.look_ends(0), Some(back), "the look was beside it");
        assert!(log.owes_look(0));
        assert_eq!(log.look_begins(0), Some(back), "the move that nobody has looked at");
        assert!(!log.owes_look(0));
        assert_eq!(log.due(&step(&[0], Direction::Out)), None);
        assert_eq!(log.look_ends(0), None);
        assert_eq!(log.look_begins(0), None);
    }

    #[test]
    fn a_step_that_is_over_leaves_nobody_moving() {
        let mut log = StepLog::default();
        log.leg_begins(leg(0, Direction::Out));
        log.step_over();
        assert!(!log.is_moving(0));
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
