//! Moving guests: in which order, and one move with its measurements.

mod leg;
pub mod order;

pub use leg::{Hear, LegReport, Move, News, migrate};
