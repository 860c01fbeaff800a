//! The plan of a scenario's moves: which guests move in which direction, step by step. Pure data.

mod direction;
mod order;
mod seed;
mod side;
mod step;

pub use direction::Direction;
pub use order::{Order, PlanInput};
pub use seed::{SEED_VARIABLE, Seed};
pub use side::Side;
pub use step::{Leg, Step};
