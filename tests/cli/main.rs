//! The command line, as a user types it. No lab is raised, and no lock but one in a temporary directory is taken.

mod compare;
mod doctor;
mod input;
mod lab;
mod merge;
mod readme;
mod scenarios;
mod watch;

use std::process::{Command, Output};

use rstest::fixture;
use tempfile::TempDir;

/// The program, away from what the machine and the user have: their settings would change what is seen.
struct Cli {
    state: TempDir,
}

#[fixture]
fn cli() -> Cli {
    Cli { state: tempfile::tempdir().unwrap() }
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Cli {
    fn run(&self, arguments: &str) -> Said {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_multivm"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MULTIVM_") {
                command.env_remove(name);
            }
        }
        command.env("MULTIVM_STATE", self.state()).envs(variables.iter().copied());
        said(command.args(arguments.split_whitespace()).output().unwrap())
    }

    /// In a directory that multivm may remove, as it does with one that it leaves empty.
    fn state(&self) -> std::path::PathBuf {
        self.state.path().join("state")
    }
}

fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Where sudo would ask for a password in the middle of a test, or is not there.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
