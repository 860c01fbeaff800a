//! What an order has in its row, and what its steps are made of.

use crate::plan::{Direction, Seed, Step};

/// An order: its row in the table.
pub struct OrderRow {
    pub name: &'static str,
    /// The guests' moves, as the end of the sentence `The guests move ...`.
    pub text: &'static str,
    /// The least guests of a fleet that this order can arrange.
    pub least_guests: usize,
    /// Whether the steps depend on the seed.
    pub seeded: bool,
    /// Whether several guests move at the same time in some steps.
    pub parallel: bool,
    /// The moves of a fleet, from the source and back to it. The function is pure: equal fleets have equal moves.
    pub(super) steps: fn(&PlanInput) -> Vec<Step>,
}

/// The facts about a fleet that an order uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanInput {
    pub guests: usize,
    /// The number of round trips of every guest.
    pub rounds: u32,
    /// The seed of random choices.
    pub seed: Seed,
}

/// Both directions of every round, in turn.
pub(super) fn halves(rounds: u32) -> impl Iterator<Item = (u32, Direction)> {
    (1..=rounds).flat_map(|round| [Direction::Out, Direction::Back].map(|direction| (round, direction)))
}
