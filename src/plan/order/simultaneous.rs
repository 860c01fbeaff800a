//! An order in which all guests go out at once, then all come back at once.

use super::row::{OrderRow, PlanInput, halves};
use super::{Leg, Step};

pub(super) static ROW: OrderRow = OrderRow {
    name: "simultaneous",
    text: "all at once",
    least_guests: 1,
    parallel: true,
    seeded: false,
    steps,
};

fn steps(fleet: &PlanInput) -> Vec<Step> {
    halves(fleet.rounds)
        .map(|(round, direction)| {
            Step::of((0..fleet.guests).map(|guest| Leg { guest, direction, round }).collect())
        })
        .collect()
}
