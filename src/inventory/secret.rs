//! References to secrets: an inventory says where a password is, and never has one in it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where a password is read from, when it is needed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// An environment variable of that name.
    Environment(String),
    /// A program with its arguments, which prints the password.
    Command(Vec<String>),
    /// A file that only its owner can read.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Environment(name) => write!(f, "the variable {name}"),
            // Arguments may be secrets of their own.
            Secret::Command(words) => write!(f, "the program {}", words[0]),
            Secret::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_without_its_arguments() {
        let secret = Secret::Command(vec!["pass".into(), "--pin=hunter2".into()]);
        assert_eq!(format!("{secret:?} {secret}"), "the program pass the program pass");
    }
}
