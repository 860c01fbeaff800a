//! Runs scenarios: arguments, trials, the shared fixture, interruption.

mod args;
mod corruption;
mod damage;
mod entry;
mod interrupt;
mod keeper;
mod live_status;
mod nextest;
mod plan;
mod run;
mod session;
mod slot;
mod spent;
mod stage;
mod status;
mod sudo;
pub mod terminal;

pub use corruption::{Corruption, Expected, corruption_main};
pub use damage::{Damage, damage_main};
pub use entry::{Build, main};
pub use interrupt::cancel_on_signals;
pub use keeper::take_down_after;
pub use live_status::{LiveStatus, Shown};
pub use run::{Progress, process_of};
pub use session::{Session, summary};
pub use status::{State, Status};
pub use sudo::become_root;

/// To be called first in `main` of every program that may raise a lab: answers the hidden arguments of the processes behind it,
/// which are that very program, started again.
pub fn hidden_entry() -> Option<std::process::ExitCode> {
    crate::lab::hidden_entry().or_else(keeper::hidden_entry)
}
