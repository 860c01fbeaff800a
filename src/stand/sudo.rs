//! Becomes root: the program starts itself again through sudo.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::failure::{Attempt, Failure, Result};

/// Beginnings of the names of variables that sudo preserves. Under `cargo test` and nextest the program needs a test's
/// variables.
const PREFIXES: [&str; 3] = ["MULTIVM_", "CARGO", "NEXTEST"];

/// Further variables that sudo preserves. `HOME` and `XDG_CACHE_HOME` lead to the user's images, instead of to a second
/// cache of root's.
const NAMES: [&str; 7] = ["HOME", "PATH", "XDG_CACHE_HOME", "RUST_BACKTRACE", "NO_COLOR", "TERM", "CI"];

/// Returns when this process is root. Otherwise sudo takes this process's place and starts the program again with the same
/// arguments; this returns only if that fails.
///
/// Callers check their input first and have done nothing yet. Commands that only list never call this, because sudo may ask
/// for a password.
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

/// The variables for sudo to preserve.
fn preserved(names: impl Iterator<Item = std::ffi::OsString>) -> Vec<String> {
    let mut kept: Vec<String> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| {
            PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name.as_str())
        })
        // Commas separate the list, and the names of the shell's exported functions have other characters.
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
