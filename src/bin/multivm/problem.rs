//! The answer of every command of the program.

use std::process::ExitCode;

pub use multivm::failure::Problem;
use multivm::stand::Settings;

/// The end of a command: an exit status, or the problem in its way.
pub type Answer = Result<ExitCode, Problem>;

/// The settings in the environment; a mistake in them is bad input.
pub fn settings() -> Result<Settings, Problem> {
    Settings::from_environment().map_err(Problem::input)
}
