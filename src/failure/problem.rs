//! How a program ends that does not succeed: the message, and the exit status that tells bad input from a failure.

use std::fmt;
use std::process::ExitCode;

use super::Failure;

/// Why a program did not do what it was asked to.
#[derive(Debug)]
pub enum Problem {
    /// What the user wrote cannot be used; nothing was touched. The whole message.
    Input(String),
    /// Something did not work.
    Failed(Vec<Failure>),
}

impl Problem {
    /// A mistake in what the user wrote.
    pub fn input(mistake: impl fmt::Display) -> Problem {
        Problem::Input(format!("error: {mistake}"))
    }

    /// Tells it on standard error; the exit status is 2 for bad input and 1 for a failure.
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

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        Problem::Failed(vec![failure])
    }
}
