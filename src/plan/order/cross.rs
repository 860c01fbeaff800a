//! A rotation: the last guest goes out alone in the first step. In each following step one guest goes out while the
//! previous one comes back. In the last step the guest that is still out comes home alone.
//!
//! With N guests and R rounds each guest makes R round trips in R x N + 1 steps, of which R x N - 1 have both directions.
//! One guest alone cannot cross another.

use super::row::{OrderRow, PlanInput};
use super::{Direction, Leg, Step};

pub(super) static ROW: OrderRow = OrderRow {
    name: "cross",
    text: "in a rotation: one guest goes out while another comes back",
    least_guests: 2,
    parallel: true,
    seeded: false,
    steps,
};

fn steps(fleet: &PlanInput) -> Vec<Step> {
    let PlanInput { guests, rounds, .. } = *fleet;
    let mut steps = Vec::with_capacity(guests * rounds as usize + 1);
    let mut away: Option<Leg> = None;
    for round in 1..=rounds {
        for turn in 0..guests {
            let out = Leg { guest: (turn + guests - 1) % guests, direction: Direction::Out, round };
            steps.push(match away.map(back) {
                Some(back) => Step::crossing(out, back),
                None => Step::of(vec![out]),
            });
            away = Some(out);
        }
    }
    steps.extend(away.map(|leg| Step::of(vec![back(leg)])));
    steps
}

/// The return of a guest that went out.
fn back(leg: Leg) -> Leg {
    Leg { direction: Direction::Back, ..leg }
}

#[cfg(test)]
mod tests {
    use super::super::Order;
    use super::*;
    use crate::plan::Seed;

    #[test]
    fn both_directions_are_under_way_at_every_step_but_the_first_and_the_last() {
        let steps = Order::Cross.steps(&PlanInput { guests: 3, rounds: 1, seed: Seed(0) }).unwrap();
        let text: Vec<Vec<(usize, Direction)>> = steps
            .iter()
            .map(|step| step.legs.iter().map(|leg| (leg.guest, leg.direction)).collect())
            .collect();
        use Direction::{Back, Out};
        assert_eq!(
            text,
            [vec![(2, Out)], vec![(0, Out), (2, Back)], vec![(1, Out), (0, Back)], vec![(1, Back)],]
        );
        assert_eq!(steps.iter().map(Step::crosses).collect::<Vec<_>>(), [false, true, true, false]);
    }

    #[test]
    fn one_guest_cannot_cross() {
        let refused = Order::Cross.steps(&PlanInput { guests: 1, rounds: 1, seed: Seed(0) }).unwrap_err();
        assert!(refused.contains("at least 2"), "{refused}");
    }
}
