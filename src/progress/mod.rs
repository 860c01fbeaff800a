//! The progress of a run for people: its state, as lines on a terminal or as a text that grows.

mod earlier;
mod estimate;
pub mod lines;
pub mod live;
mod on_terminal;
pub mod telling;

pub use earlier::earlier;
pub use estimate::{Earlier, ToCome, seconds_left};
pub use on_terminal::{LiveStatus, Shown};
