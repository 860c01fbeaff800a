//! What every command of the program answers with.

use std::process::ExitCode;

pub use multivm::failure::Problem;
use multivm::stand::lab::Settings;

/// What a command comes to.
pub type Answer = Result<ExitCode, Problem>;

/// The settings of the environment; what is wrong with them is bad input.
pub fn settings() -> Result<Settings, Problem> {
    Settings::from_environment().map_err(Problem::input)
}
