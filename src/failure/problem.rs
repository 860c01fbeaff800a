//! The unsuccessful end of a program: the message, and the exit status that tells bad input from a failure.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use super::Failure;

/// Why a program did not do its work.
#[derive(Debug)]
pub enum Problem {
    /// The user's input cannot be used, and nothing was touched. The text is the whole message.
    Input(String),
    /// Actions failed.
    Failed(Vec<Failure>),
}

impl Problem {
    /// A mistake in the user's input.
    pub fn input(mistake: impl fmt::Display) -> Problem {
        Problem::Input(format!("error: {mistake}"))
    }

    /// Reports the problem on standard error, and returns the exit status: 2 for bad input, 1 for a failure.
    pub fn report(self) -> ExitCode {
        match self {
            Problem::Input(message) => {
                say(&message);
                ExitCode::from(2)
            }
            Problem::Failed(failures) => {
                for failure in failures {
                    say(&format!("multivm: {failure}"));
                }
                ExitCode::FAILURE
            }
        }
    }
}

/// Writes a line to standard error. A reader that is gone is no reason for a panic.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        Problem::Failed(vec![failure])
    }
}
