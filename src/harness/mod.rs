//! Runs scenarios: arguments, trials, the shared fixture, interruption.

mod args;
mod entry;
mod interrupt;
mod run;
mod session;
mod slot;

pub use entry::{Build, main};
pub use run::Progress;
pub use session::{Session, summary};
pub use slot::Slot;
