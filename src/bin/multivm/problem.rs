//! How a command ends that does not succeed: the message, and the exit status that tells bad input from a failure.

use std::process::ExitCode;

use multivm::failure::Failure;
use multivm::inventory::Settings;
use multivm::scenario::InputError;

/// What a command comes to.
pub type Answer = Result<ExitCode, Problem>;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Problem {
    /// What the user wrote cannot be used; nothing was touched.
    Input(String),
    /// Something did not work.
    Failed(Vec<Failure>),
}

impl Problem {
    /// Tells it on standard error.
    pub fn report(self) -> ExitCode {
        match self {
            Problem::Input(message) => {
                eprintln!("{message}");
                ExitCode::from(2)
            }
            Problem::Failed(failures) => {
                for failure in failures {
                    eprintln!("multivm: {failure}");
                }
                ExitCode::FAILURE
            }
        }
    }
}

impl From<InputError> for Problem {
    fn from(error: InputError) -> Problem {
        Problem::Input(error.to_string())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        Problem::Failed(vec![failure])
    }
}

/// The settings of the environment; what is wrong with them is bad input.
pub fn settings() -> Result<Settings, Problem> {
    Settings::from_environment().map_err(|failure| Problem::Input(format!("error: {failure}")))
}
