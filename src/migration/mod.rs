//! One move of one guest, with its measurements.

mod bounded;
mod drive;
mod job;
mod leg;
mod limits;
mod options;
mod progress;
mod report;
mod standstill;
mod stops;
mod watch;

pub use leg::migrate;
pub use options::Move;
pub use report::{Hear, LegReport, News};
