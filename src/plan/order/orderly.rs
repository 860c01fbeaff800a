//! An order in which guest after guest goes out, then guest after guest comes back.

use super::row::{OrderRow, PlanInput, halves};
use super::{Leg, Step};

pub(super) static ROW: OrderRow =
    OrderRow { name: "orderly", text: "one by one", least_guests: 1, parallel: false, seeded: false, steps };

fn steps(fleet: &PlanInput) -> Vec<Step> {
    halves(fleet.rounds)
        .flat_map(|(round, direction)| {
            (0..fleet.guests).map(move |guest| Step::of(vec![Leg { guest, direction, round }]))
        })
        .collect()
}
