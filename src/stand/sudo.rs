//! Becoming root for what needs it: the program starts itself again through sudo.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::failure::{Attempt, Failure, Result};

/// Beginnings of the variables that reach the program behind sudo. Behind `cargo test` and nextest the program
/// needs what they tell a test.
const PREFIXES: [&str; 3] = ["MULTIVM_", "CARGO", "NEXTEST"];

/// Further variables. `HOME` and `XDG_CACHE_HOME` say where the user's images are: root's own cache would be a
/// second one.
const NAMES: [&str; 7] = ["HOME", "PATH", "XDG_CACHE_HOME", "RUST_BACKTRACE", "NO_COLOR", "TERM", "CI"];

/// Returns when this process is root. Otherwise sudo takes this process's place and starts the program again with
/// the same arguments; it returns only if that is not possible.
///
/// To be called after the input was checked and before anything is done, and never for a command that only lists:
/// sudo may ask for a password.
pub fn become_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let attempted = || "become root through sudo".to_owned();
    let program = env::current_exe().attempting(attempted)?;
    let error = Command::new("sudo")
        .arg(format!("--preserve-env={}", preserved(env::vars_os().map(|(name, _)| name)).join(",")))
        .arg("--")
        .arg(program)
        .args(env::args_os().skip(1))
        .exec();
    let advice = if error.kind() == std::io::ErrorKind::NotFound {
        "install sudo, or run this as root"
    } else {
        "run this as root"
    };
    Err(Failure::new(attempted(), format!("sudo: {error}")).try_next(advice))
}

/// The names that sudo is told to preserve.
fn preserved(names: impl Iterator<Item = std::ffi::OsString>) -> Vec<String> {
    let mut kept: Vec<String> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| {
            PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name.as_str())
        })
        // The list is separated by commas, and the shell's exported functions have names with other characters.
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect();
    kept.sort();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_program_reads_is_preserved() {
        let names =
            ["LD_PRELOAD", "MULTIVM_SET", "HOME", "MULTIVM_A,B", "NEXTEST", "CARGO_MANIFEST_DIR", "AWS_KEY"];
        let kept = preserved(names.into_iter().map(Into::into));
        assert_eq!(kept, ["CARGO_MANIFEST_DIR", "HOME", "MULTIVM_SET", "NEXTEST"]);
    }
}
