//! Runs scenarios: arguments, trials, the shared fixture, interruption.

mod interrupt;
mod session;
mod status;
mod sudo;

pub use interrupt::cancel_on_signals;
pub use session::{Session, summary};
pub use status::{State, Status};
pub use sudo::become_root;
