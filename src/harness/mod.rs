//! Runs scenarios as tests of libtest and nextest: the command line, trials, the exit code.

mod ancestors;
pub mod args;
mod command;
mod entry;
mod fit;
mod latest;
mod named;
mod nextest;
mod on_stage;
mod own_tests;
mod request;
mod trial;

pub use args::one_at_a_time;
pub use entry::{exit_code, main};
pub use named::{NamedTest, unplayed};
pub use on_stage::on_stage;
pub use own_tests::programs;
pub use request::Request;
