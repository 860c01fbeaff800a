//! The axis `order`: the sequence in which the guests of the fleet move. One file each.

mod cross;
mod orderly;
mod random;
mod row;
mod simultaneous;

use super::{Direction, Leg, Step};
use crate::axis::axis;
pub use row::{OrderRow, PlanInput};

axis! {
    /// The sequence in which the guests of the fleet move.
    Order, "order", OrderRow {
        Orderly => orderly::ROW,
        Simultaneous => simultaneous::ROW,
        Cross => cross::ROW,
        Random => random::ROW,
    }
}

impl Order {
    /// The steps of a fleet, all of whose guests start and end on the source.
    ///
    /// # Errors
    ///
    /// The fleet has too few guests; the message gives the least number.
    pub fn steps(self, fleet: &PlanInput) -> Result<Vec<Step>, String> {
        self.takes(fleet.guests)?;
        Ok((self.row().steps)(fleet))
    }

    /// Whether a fleet of a given size has moves in this order.
    ///
    /// # Errors
    ///
    /// The fleet has too few guests; the message gives the least number.
    pub fn takes(self, guests: usize) -> Result<(), String> {
        let least = self.row().least_guests;
        if guests < least {
            return Err(format!("the order {self} needs at least {least} guests"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::plan::Seed;

    /// Plays the steps and checks the promises of every order: a guest moves from where it is, in rounds that count up, and
    /// is home at the end.
    #[rstest]
    fn every_guest_moves_from_where_it_is_and_comes_home(
        #[values(1, 2, 3, 10)] guests: usize,
        #[values(1, 2, 5)] rounds: u32,
        #[values(0, 1, 4711)] seed: u64,
    ) {
        for order in Order::ALL.iter().filter(|order| guests >= order.row().least_guests) {
            let steps = order.steps(&PlanInput { guests, rounds, seed: Seed(seed) }).unwrap();
            let mut away = vec![false; guests];
            let mut trips = vec![0; guests];
            for step in steps {
                assert!(!step.legs.is_empty(), "{order}: a step without a move");
                let mut moved = std::collections::BTreeSet::new();
                for leg in &step.legs {
                    assert!(moved.insert(leg.guest), "{order}: a guest cannot move twice at once");
                    match leg.direction {
                        Direction::Out => {
                            assert!(!std::mem::replace(&mut away[leg.guest], true), "{order}");
                            assert_eq!(leg.round, trips[leg.guest] + 1, "{order}");
                        }
                        Direction::Back => {
                            assert!(std::mem::replace(&mut away[leg.guest], false), "{order}");
                            trips[leg.guest] += 1;
                            assert_eq!(leg.round, trips[leg.guest], "{order}");
                        }
                    }
                }
            }
            assert!(away.iter().all(|away| !away), "{order}");
        }
    }

    #[rstest]
    #[case(Order::Orderly)]
    #[case(Order::Simultaneous)]
    #[case(Order::Cross)]
    fn every_guest_makes_every_round_trip(#[case] order: Order, #[values(2, 3, 10)] guests: usize) {
        let rounds = 5;
        for guest in 0..guests {
            let steps = order.steps(&PlanInput { guests, rounds, seed: Seed(0) }).unwrap();
            let legs = steps.iter().flat_map(|step| &step.legs).filter(|leg| leg.guest == guest);
            assert_eq!(legs.count(), 2 * rounds as usize);
        }
    }

    #[test]
    fn an_order_refuses_a_fleet_that_is_too_small_for_it() {
        for order in Order::ALL {
            let least = order.row().least_guests;
            let steps = |guests| order.steps(&PlanInput { guests, rounds: 1, seed: Seed(1) });
            assert!(steps(least).is_ok(), "{order}");
            let needs = format!("the order {order} needs at least {least} guests");
            assert_eq!(steps(least - 1), Err(needs));
        }
    }

    #[test]
    fn guests_move_together_where_the_order_says_so() {
        for order in Order::ALL {
            let steps = order.steps(&PlanInput { guests: 3, rounds: 1, seed: Seed(1) }).unwrap();
            let together = steps.iter().any(|step| step.legs.len() > 1);
            assert_eq!(together, order.row().parallel, "{order}");
            assert_eq!(steps.iter().any(Step::crosses), *order == Order::Cross, "{order}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_one_only_where_an_order_says_so() {
        for order in Order::ALL {
            let steps = |seed| order.steps(&PlanInput { guests: 10, rounds: 5, seed: Seed(seed) }).unwrap();
            assert_eq!(steps(7), steps(7), "{order}");
            assert_eq!(steps(7) != steps(8), order.row().seeded, "{order}");
        }
    }

    #[test]
    fn every_row_says_what_it_is() {
        for order in Order::ALL {
            let row = order.row();
            assert!(!row.text.is_empty() && !row.text.ends_with('.'), "{order}: {}", row.text);
            assert!(!row.name.contains('_'), "{order}: a name is split at its first _");
            assert!(row.least_guests >= 1, "{order}");
        }
    }
}
