//! Where hosts come from, and one command's hold on them.

mod keeper;
mod kind;
pub mod lab;
mod session;
mod status;
mod sudo;

pub use keeper::take_down_after;
pub use kind::{Before, Ground, Needs, Stand, Standing};
pub use session::{Session, summary};
pub use status::{Occupancy, Status};
pub use sudo::become_root;

/// To be called first in `main` of every program that may raise a lab: answers the hidden arguments of the processes behind it,
/// which are that very program, started again.
pub fn hidden_entry() -> Option<std::process::ExitCode> {
    lab::hidden_entry().or_else(keeper::hidden_entry)
}
