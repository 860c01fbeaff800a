//! One move of one guest, with its measurements.

mod connections;
mod drive;
mod job;
mod leg;
mod limits;
mod longest;
mod mode;
mod options;
mod pace;
mod progress;
mod report;
mod single_move;
mod standstill;
mod stops;
pub mod transport;
mod watch;

pub use connections::Connections;
pub use leg::migrate;
pub use limits::Limits;
pub use longest::{GRACE, MOST, longest};
pub use mode::{again, together};
pub use options::Options;
pub use pace::{Again, Pace};
pub use report::{LegReport, OnProgress, Progress};
pub use single_move::{Move, options};
