//! Kinds of hosts, and one command's hold on its hosts.

mod choice;
mod ip;
mod keeper;
mod keys;
mod kind;
pub mod lab;
pub mod machines;
mod made;
mod masters;
pub mod pair;
mod raised;
mod session;
mod settings;
mod status;
mod sudo;
mod table;

pub use choice::{PAIR_LIMIT, STAND_VARIABLE, StandKind};
pub use keeper::take_down_after;
pub use kind::{FoundHosts, Ground, Needs, Stand, Standing};
pub use made::NewHosts;
pub use raised::Raised;
pub use session::{Session, summary};
pub use settings::{Accel, HostSize, Settings};
pub use status::{Occupancy, Status};
pub use sudo::become_root;

/// Answers the hidden arguments of the processes behind a lab, which are this program, started again. Every program that may
/// raise a lab calls this first in `main`.
pub fn hidden_entry() -> Option<std::process::ExitCode> {
    lab::hidden_entry().or_else(keeper::hidden_entry)
}
