//! One move of one guest, with its measurements.

mod leg;

pub use leg::{Hear, LegReport, Move, News, migrate};
