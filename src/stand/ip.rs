//! Network namespaces by name, and `ip`, which makes them and works in them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::sys::limited;

/// How long `ip` may take: the kernel waits for other namespaces that go.
const LIMIT: Duration = Duration::from_secs(30);

/// The path of a named network namespace.
pub fn path(namespace: &str) -> PathBuf {
    Path::new("/run/netns").join(namespace)
}

/// Runs `ip` with these arguments.
pub fn ip(arguments: &str) -> Result<()> {
    run(Command::new("ip").args(arguments.split_whitespace()), "", &format!("ip {arguments}"))
}

/// Runs `ip` for each of the lines, in a namespace.
pub fn batch(namespace: &str, lines: &str) -> Result<()> {
    run(
        Command::new("ip").args(["-n", namespace, "-batch", "-"]),
        lines,
        &format!("set up network namespace {namespace}"),
    )
}

fn run(command: &mut Command, input: &str, attempted: &str) -> Result<()> {
    limited::run(command, input, LIMIT)
        .map_err(|cause| Failure::new(attempted, cause).try_next("multivm doctor says what is missing"))
}
