//! A program on another machine that answers questions over one kept ssh channel: no process has to be started for a
//! question, and the connection itself lives through what happens to the machine.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use ssh2::{Channel, Session};

use super::Remote;
use super::ssh::{SLICE, remaining};
use crate::failure::{Cause, Failure, FailureKind, Result};

/// The open channel to the program.
pub struct Dialogue {
    name: String,
    session: Session,
    channel: Channel,
}

impl Dialogue {
    /// Starts `command` over a connection of its own.
    pub fn open(remote: &Remote, command: &str, limit: Duration) -> Result<Dialogue> {
        let session = remote.connect(Instant::now() + limit)?;
        let open = || {
            let mut channel = session.channel_session()?;
            channel.exec(command)?;
            Ok::<_, ssh2::Error>(channel)
        };
        let channel =
            open().map_err(|error| Failure::new(format!("start `{command}`"), error).at(remote.name()))?;
        Ok(Dialogue { name: remote.name().to_owned(), session, channel })
    }

    /// Sends a line and reads up to a line that is `end`; returns what came before it.
    pub fn ask(&mut self, question: &str, end: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        self.exchange(question, end, deadline)
            .map_err(|cause| Failure::new(format!("ask `{question}`"), cause).at(self.name.as_str()))
    }

    fn exchange(&mut self, question: &str, end: &str, deadline: Instant) -> Result<String, Cause> {
        let mut bytes = Vec::new();
        let mut block = [0; 16 * 1024];
        let end = format!("{end}\n");
        self.bound(deadline)?;
        writeln!(self.channel, "{question}")?;
        loop {
            self.bound(deadline)?;
            match self.channel.read(&mut block) {
                Ok(0) => return Err(Cause::new(FailureKind::Unreachable, "the program ended")),
                Ok(count) => bytes.extend_from_slice(&block[..count]),
                Err(error)
                    if error.kind() == ErrorKind::TimedOut || error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(answer) = bytes.strip_suffix(end.as_bytes()) {
                return Ok(String::from_utf8_lossy(answer).into_owned());
            }
        }
    }

    /// Bounds the next blocking call.
    fn bound(&self, deadline: Instant) -> Result<(), Cause> {
        self.session.set_timeout(remaining(deadline)?.min(SLICE).as_millis() as u32);
        Ok(())
    }
}

impl std::fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Dialogue").field(&self.name).finish()
    }
}
