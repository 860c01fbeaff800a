//! A command of ours whose mounts and processes end with it, and its output line by line.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::failure::{Attempt, Result};

/// A command for `program` in a mount and a PID namespace of its own: all its mounts and processes end with it.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"])
        .arg(program)
        .stdin(Stdio::null());
    command
}

/// The lines of a pipe, until it is closed. A thread reads them, so that a reader can wait for a line with a deadline.
pub fn lines(pipe: Option<impl Read + Send + 'static>, what: &str) -> Result<Receiver<String>> {
    let attempted = || format!("read the output of {what}");
    let pipe = pipe.ok_or("it is not a pipe").attempting(attempted)?;
    let (to, lines) = channel();
    thread::Builder::new()
        .name(what.to_owned())
        .spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                if to.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        })
        .attempting(attempted)?;
    Ok(lines)
}
