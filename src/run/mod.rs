//! One run, of any number of scenarios: what it is asked for, its hold on this machine, its folder and its reports.

mod given_back;
mod group;
mod held_session;
mod hold;
mod latest;
mod on_disk;
mod options;
pub mod outputs;
mod plan;
mod room;
mod spent;
mod wanted;

pub use given_back::GivenBack;
pub use group::RunGroup;
pub use held_session::HeldSession;
pub use hold::{EarlierRun, Hold};
pub use latest::withdraw_latest;
pub use on_disk::{Run, process_of};
pub use options::RunOptions;
pub use plan::Plan;
