//! iproute2: `ip`, which makes links and network namespaces and works in them, and `bridge`, for the forwarding of links.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::sys::stop::StopFlag;
use crate::sys::{bounded, limited};

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

/// Runs `bridge` with these arguments.
pub fn bridge(arguments: &str) -> Result<()> {
    run(Command::new("bridge").args(arguments.split_whitespace()), "", &format!("bridge {arguments}"))
}

/// What `ip` says when it is asked for something that the kernel knows.
pub fn said(arguments: &str) -> Result<String> {
    let attempted = || format!("ip {arguments}");
    let mut command = Command::new("ip");
    command.args(arguments.split_whitespace()).env("LC_ALL", "C").stdin(Stdio::null());
    let asked = bounded::answer(LIMIT, &StopFlag::new(), move || command.output());
    let late = || Failure::new(attempted(), Cause::new(FailureKind::TimedOut, "it hangs"));
    let output = asked.ok_or_else(late)?.attempting(attempted)?;
    if !output.status.success() {
        return Err(Failure::new(attempted(), String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
