//! A dialogue with a program on another machine over one kept ssh channel: no question starts a process, and the connection
//! survives what happens to the machine.

use std::fmt;
use std::time::Duration;

use ssh2::{Channel, Session};

use super::Remote;
use super::deadline::{Deadline, give_up};
use crate::failure::{Cause, Failure, FailureKind, Result};

/// The open channel to the program.
pub struct Dialogue {
    name: String,
    /// How many times longer than elsewhere an answer may take.
    slowness: u32,
    session: Session,
    channel: Channel,
}

impl Dialogue {
    /// Starts `command` over a connection of its own.
    pub fn open(remote: &Remote, command: &str, limit: Duration) -> Result<Dialogue> {
        let deadline = remote.deadline(limit);
        let sent = remote.privileged(command, deadline)?;
        let session = remote.connect(deadline)?;
        let start = || {
            deadline.bound(&session)?;
            let mut channel = session.channel_session()?;
            deadline.bound(&session)?;
            channel.exec(&sent.command)?;
            deadline.write(&session, &mut channel, &sent.input)?;
            Ok::<_, Cause>(channel)
        };
        let started = start();
        // From here on every call sets its own limit; this one is for the last goodbye.
        give_up(&session);
        let channel =
            started.map_err(|cause| Failure::new(format!("start `{command}`"), cause).at(remote.name()))?;
        Ok(Dialogue { name: remote.name().to_owned(), slowness: remote.slowness(), session, channel })
    }

    /// Sends a line and reads until a line equals `end`; returns what came before it. After an error the dialogue is over:
    /// the two sides may no longer agree on which answer belongs to which question.
    pub fn ask(&mut self, question: &str, end: &str, limit: Duration) -> Result<String> {
        let answer = self.exchange(question, end, Deadline::after(limit * self.slowness));
        answer.map_err(|cause| {
            give_up(&self.session);
            Failure::new(format!("ask `{question}`"), cause).at(self.name.as_str())
        })
    }

    fn exchange(&mut self, question: &str, end: &str, deadline: Deadline) -> Result<String, Cause> {
        let end = format!("{end}\n");
        let mut bytes = Vec::new();
        deadline.write(&self.session, &mut self.channel, format!("{question}\n").as_bytes())?;
        let ended = deadline
            .read(&self.session, &mut self.channel, &mut bytes, |bytes| bytes.ends_with(end.as_bytes()))?;
        if ended {
            return Err(Cause::new(FailureKind::Unreachable, "the program ended"));
        }
        bytes.truncate(bytes.len() - end.len());
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dialogue").field(&self.name).finish()
    }
}
