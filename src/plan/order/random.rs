//! Random moves in bulk: at every step some guests move, each away from where it is. The seed decides how many, and which.
//!
//! All moves of a step start together; guests at home go out while those that are out come back. The steps go on for as
//! many moves as an order of round trips makes; then all guests that are still out come home at once.

use super::row::{OrderRow, PlanInput};
use super::{Direction, Leg, Step};
use crate::sys::random::Random;

pub(super) static ROW: OrderRow = OrderRow {
    name: "random",
    text: "in bulk, at random: some at a time, each away from where it is",
    least_guests: 1,
    parallel: true,
    seeded: true,
    steps,
};

fn steps(fleet: &PlanInput) -> Vec<Step> {
    let mut draw = Random(fleet.seed.0);
    let mut moved = vec![0; fleet.guests];
    let wanted = 2 * fleet.guests as u32 * fleet.rounds;
    let mut steps = Vec::new();
    // The count includes the moves of the guests that must still come home.
    while moved.iter().sum::<u32>() + (away(&moved).count() as u32) < wanted {
        let going = some(fleet.guests, &mut draw);
        steps.push(step(going, &mut moved));
    }
    let home: Vec<usize> = away(&moved).collect();
    if !home.is_empty() {
        steps.push(step(home, &mut moved));
    }
    steps
}

/// The guests that are not where they began: they moved an odd number of times.
fn away(moved: &[u32]) -> impl Iterator<Item = usize> {
    moved.iter().enumerate().filter(|(_, moves)| *moves % 2 == 1).map(|(guest, _)| guest)
}

/// A random choice from a number of guests: at least one, each at most once.
fn some(guests: usize, draw: &mut Random) -> Vec<usize> {
    let mut below = |most: usize| (draw.bits() % most as u64) as usize;
    let count = 1 + below(guests);
    let mut all: Vec<usize> = (0..guests).collect();
    for place in 0..count {
        all.swap(place, place + below(guests - place));
    }
    all.truncate(count);
    all.sort_unstable();
    all
}

/// The step in which these guests move, each away from where it is.
fn step(going: Vec<usize>, moved: &mut [u32]) -> Step {
    let leg = |guest: usize| {
        let direction = if moved[guest].is_multiple_of(2) { Direction::Out } else { Direction::Back };
        let round = moved[guest] / 2 + 1;
        moved[guest] += 1;
        Leg { guest, direction, round }
    };
    Step::of(going.into_iter().map(leg).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Order;
    use super::*;
    use crate::plan::Seed;

    fn plan(guests: usize, rounds: u32, seed: u64) -> Vec<Step> {
        Order::Random.steps(&PlanInput { guests, rounds, seed: Seed(seed) }).unwrap()
    }

    /// A later version must be able to replay a recorded plan.
    #[test]
    fn a_seed_is_one_plan_for_ever() {
        let text: Vec<String> = plan(3, 1, 42).iter().map(Step::to_string).collect();
        assert_eq!(
            text,
            [
                "guests 1 and 2 go out together",
                "guest 2 comes back",
                "guest 2 goes out",
                "guests 1 and 2 come back together",
            ]
        );
    }

    #[test]
    fn one_at_a_time_several_and_both_directions_all_come_up() {
        let steps: Vec<Step> = (0..50).flat_map(|seed| plan(3, 1, seed)).collect();
        let sizes: BTreeSet<usize> = steps.iter().map(|step| step.legs.len()).collect();
        assert_eq!(sizes, BTreeSet::from([1, 2, 3]));
        let both = |step: &Step| step.legs.iter().any(|leg| leg.direction != step.legs[0].direction);
        assert!(steps.iter().any(both));
        assert!(!steps.iter().any(Step::crosses), "what happens to overlap is not held to it");
    }

    #[test]
    fn there_are_about_as_many_moves_as_in_any_order() {
        for seed in 0..200 {
            let moves: usize = plan(10, 5, seed).iter().map(|step| step.legs.len()).sum();
            assert!((100..120).contains(&moves), "{moves} moves from the seed {seed}");
        }
    }
}
