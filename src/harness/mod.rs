//! Runs scenarios as tests: arguments, trials, the shared fixture.

mod ancestors;
pub mod args;
mod due;
mod entry;
mod fit;
mod fixture;
mod held_session;
mod hold;
mod latest;
mod named;
mod nextest;
mod outputs;
mod own_tests;
mod plan;
mod player;
mod room;
mod run;
mod slot;
mod spent;
mod stage;
mod streak;
mod trial;
mod tried;
mod wanted;

pub use args::one_at_a_time;
pub use entry::{exit_code, main};
pub use hold::on_stage;
pub use named::{NamedTest, unplayed};
pub use own_tests::programs;
pub use plan::Plan;
pub use run::process_of;
pub use stage::Stage;
