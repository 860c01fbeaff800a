//! Runs scenarios as tests: arguments, trials, the shared fixture.

pub mod args;
mod entry;
mod nextest;
mod plan;
mod run;
mod slot;
mod spent;
mod stage;

pub use entry::{Build, exit_code, main, one_at_a_time};
pub use plan::Plan;
pub use run::{Progress, process_of};
pub use stage::{Stage, on_stage};
