//! Moving guests: in which order, and one move with its measurements.

mod leg;
pub mod order;

pub use leg::{LegReport, Move, migrate};
