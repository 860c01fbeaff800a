//! The program, run as a user runs it.

use std::process::{Command, Output};

use tempfile::TempDir;

/// The program, away from what the machine and the user have: their settings would change what is seen.
pub struct Cli {
    state: TempDir,
}

/// What a command wrote, and how it ended.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Cli {
    pub fn new() -> Cli {
        Cli { state: tempfile::tempdir().unwrap() }
    }

    pub fn run(&self, arguments: &str) -> Said {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_multivm"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MULTIVM_") {
                command.env_remove(name);
            }
        }
        command.env("MULTIVM_STATE", self.state()).envs(variables.iter().copied());
        said(command.args(arguments.split_whitespace()).output().unwrap())
    }

    /// A directory of its own, for whatever a test needs.
    pub fn place(&self) -> &std::path::Path {
        self.state.path()
    }

    /// In a directory that multivm may remove, as it does with one that it leaves empty.
    pub fn state(&self) -> std::path::PathBuf {
        self.state.path().join("state")
    }
}

pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
