//! Finds root, by itself or through sudo.

use std::process::{Command, Stdio};

use super::Diagnosis;

/// The way in which this process becomes root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    Root,
    /// sudo works without a password.
    Sudo,
    /// sudo exists, and would ask for a password.
    SudoAsks,
    None,
}

impl Privilege {
    /// Finds the way to root, without ever making sudo ask.
    pub fn find() -> Privilege {
        if nix::unistd::geteuid().is_root() {
            return Privilege::Root;
        }
        let sudo = Command::new("sudo")
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match sudo {
            Ok(status) if status.success() => Privilege::Sudo,
            Ok(_) => Privilege::SudoAsks,
            Err(_) => Privilege::None,
        }
    }

    pub fn finding(self) -> Diagnosis {
        match self {
            Privilege::Root => Diagnosis::good("root", "this process is root"),
            Privilege::Sudo => Diagnosis::good("root", "through sudo, without a password"),
            Privilege::SudoAsks => Diagnosis::warn(
                "root",
                "through sudo, which asks for a password",
                "runs that nobody watches need root or a sudo that does not ask",
            ),
            Privilege::None => Diagnosis::missing(
                "root",
                "this process is not root, and there is no sudo",
                "run multivm as root, or install sudo: multivm then uses it by itself",
            ),
        }
    }

    /// Runs a command as root.
    ///
    /// # Errors
    ///
    /// The command failed, with its text on standard error, or it could not be tried.
    pub fn try_as_root(self, command: &[&str]) -> Result<(), Untried> {
        let mut words = match self {
            Privilege::Root => Vec::new(),
            Privilege::Sudo => vec!["sudo", "-n"],
            Privilege::SudoAsks | Privilege::None => return Err(Untried::NoRoot),
        };
        words.extend(command);
        let [program, arguments @ ..] = &words[..] else { return Ok(()) };
        let output = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Untried::Failed(format!("{program}: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        Err(Untried::Failed(last.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned())))
    }
}

/// The reason why a trial as root did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untried {
    /// There is no way to root without a question, so nothing ran.
    NoRoot,
    Failed(String),
}
