//! Runs scenarios as tests: arguments, trials, the shared fixture.

pub mod args;
mod entry;
mod fixture;
mod nextest;
mod outputs;
mod plan;
mod run;
mod slot;
mod spent;
mod stage;

pub use args::one_at_a_time;
pub use entry::{exit_code, main};
pub use plan::Plan;
pub use run::process_of;
pub use stage::{Stage, on_stage};
