//! Runs commands on another machine over kept ssh sessions, with deadlines. A command is sent once: only what was not sent
//! is sent again, over a new session.

use std::fmt;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ssh2::{Channel, Session};

use super::deadline::{Deadline, give_up};
use super::host_key::Identity;
use super::login::{identify, log_in};
use super::password::{KeptPassword, Password};
use super::privilege::{self, Privileged, Way, privileged};
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::inventory::{Access, Login, Sudo};
use crate::sys::parallel::locked;

/// A command's output and exit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A machine behind ssh. It keeps sessions for reuse, one for each command under way, because all channels of a libssh2
/// session wait for each other. Clones share the sessions.
#[derive(Clone)]
pub struct Remote(Arc<SharedRemote>);

struct SharedRemote {
    name: String,
    login: Login,
    password: KeptPassword,
    /// The way in which the login's user becomes root; none until it is asked.
    way: Mutex<Option<Way>>,
    idle: Mutex<Vec<Session>>,
    /// Whether what is asked goes on when the run is interrupted.
    is_steadfast: bool,
}

impl Remote {
    pub fn new(name: impl Into<String>, login: Login) -> Remote {
        Remote::with(name.into(), login, false)
    }

    /// A machine on which something must be put back, also after the run was interrupted.
    pub fn steadfast(name: impl Into<String>, login: Login) -> Remote {
        Remote::with(name.into(), login, true)
    }

    fn with(name: String, login: Login, is_steadfast: bool) -> Remote {
        Remote(Arc::new(SharedRemote {
            name,
            login,
            password: KeptPassword::default(),
            way: Mutex::default(),
            idle: Mutex::default(),
            is_steadfast,
        }))
    }

    /// A connection to this machine that runs every command as the login's user, without sudo.
    pub fn without_sudo(&self) -> Remote {
        if self.0.login.sudo == Sudo::No {
            return self.clone();
        }
        let login = Login { sudo: Sudo::No, ..self.0.login.clone() };
        Remote::with(self.0.name.clone(), login, self.0.is_steadfast)
    }

    /// The deadline of something that takes no longer than `limit` where machines are as fast as elsewhere.
    pub(super) fn deadline(&self, limit: Duration) -> Deadline {
        Deadline::after(self.patience(limit)).steadfast(self.0.is_steadfast)
    }

    /// A limit for a machine as slow as this one.
    pub(super) fn patience(&self, limit: Duration) -> Duration {
        limit * self.slowness()
    }

    /// How many times longer than elsewhere everything may take there.
    pub(super) fn slowness(&self) -> u32 {
        self.0.login.slowness.max(1)
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Runs a shell command within `limit`. A status other than 0 is an answer, not an error.
    pub fn run(&self, command: &str, limit: Duration) -> Result<Output> {
        self.run_with_input(command, &[], limit)
    }

    /// Runs a shell command that must succeed, and returns its output.
    pub fn check(&self, command: &str, limit: Duration) -> Result<String> {
        self.check_with_input(command, &[], limit)
    }

    /// Runs a shell command that must succeed, with `input` on its standard input, and returns its output.
    pub fn check_with_input(&self, command: &str, input: &[u8], limit: Duration) -> Result<String> {
        let output = self.run_with_input(command, input, limit)?;
        if output.status == 0 {
            return Ok(output.stdout);
        }
        let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
        Err(self.failed(command, format!("exit status {}: {}", output.status, said.trim()).into()))
    }

    /// Runs a shell command with `input` on its standard input. The command takes all of its input before this reads any
    /// output: it may print as much as the channel's window meanwhile (2 MiB). The command is sent at most once: after an
    /// error it may have run, and the caller decides whether it may run again.
    pub fn run_with_input(&self, command: &str, input: &[u8], limit: Duration) -> Result<Output> {
        let deadline = self.deadline(limit);
        let sent = self.privileged(command, deadline)?;
        let (session, channel) = self.channel(command, deadline)?;
        let input = [&sent.input, input].concat();
        match execute(&session, channel, &sent.command, &input, deadline) {
            Ok(output) => {
                self.idle().push(session);
                Ok(output)
            }
            Err(cause) => {
                if cause.kind == FailureKind::Unreachable {
                    self.forget_sessions();
                }
                Err(self.failed(command, cause))
            }
        }
    }

    /// Drops every idle session; the next command connects anew.
    pub fn forget_sessions(&self) {
        self.idle().clear();
    }

    /// Opens a channel for a command: on a kept session, or on a new one if none is kept or the kept one has died. This
    /// sends nothing of the command.
    fn channel(&self, command: &str, deadline: Deadline) -> Result<(Session, Channel)> {
        let kept = self.idle().pop();
        if let Some(session) = kept {
            // Half of the time at most: a session with a silent peer must leave some for a new one.
            match open_channel(&session, deadline.half()) {
                Ok(channel) => return Ok((session, channel)),
                // The session may be from before a reboot of the other side, and the others as well.
                Err(_) => self.forget_sessions(),
            }
        }
        let session = self.connect(deadline)?;
        let channel = open_channel(&session, deadline).map_err(|cause| self.failed(command, cause))?;
        Ok((session, channel))
    }

    pub(super) fn connect(&self, deadline: Deadline) -> Result<Session> {
        self.met(deadline).map(|(session, _)| session)
    }

    fn met(&self, deadline: Deadline) -> Result<(Session, Identity)> {
        log_in(self.name(), &self.0.login, &self.0.password, deadline)
    }

    /// Logs in, keeps the session for the next command, and returns the identity that the machine proved.
    pub fn log_in(&self, limit: Duration) -> Result<Identity> {
        let (session, identity) = self.met(self.deadline(limit))?;
        self.idle().push(session);
        Ok(identity)
    }

    /// Asks the machine for its identity, without a login, and so without making it known.
    pub fn identify(&self, limit: Duration) -> Result<Identity> {
        identify(self.name(), &self.0.login, self.deadline(limit))
    }

    /// A command as root's, where the login is another user's.
    pub(super) fn privileged<'a>(&self, command: &'a str, deadline: Deadline) -> Result<Privileged<'a>> {
        let login = &self.0.login;
        let password = match (login.sudo, &login.access) {
            (Sudo::No, _) => return Ok(privileged(Way::Plain, command, None)),
            (Sudo::Password, Access::Password(secret)) => {
                let read = self.0.password.get(secret, deadline);
                Some(read.map_err(|cause| self.failed(command, cause))?)
            }
            _ => None,
        };
        let way = self
            .way(password.as_deref(), deadline)
            .map_err(|cause| Failure::new(format!("become root as {}", login.user), cause).at(self.name()))?;
        Ok(privileged(way, command, password.as_deref()))
    }

    /// Finds out once in which way the login's user becomes root.
    fn way(&self, password: Option<&Password>, deadline: Deadline) -> Result<Way, Cause> {
        let mut known = locked(&self.0.way);
        if let Some(way) = *known {
            return Ok(way);
        }
        let way = if self.answers(privilege::ASKS_NOTHING, b"", deadline)?.is_ok() {
            Way::Sudo
        } else {
            let line = password.map(|password| format!("{}\n", password.reveal())).unwrap_or_default();
            match self.answers(privilege::TAKES_PASSWORD, line.as_bytes(), deadline)? {
                Ok(()) => Way::SudoWithPassword,
                Err(said) => return Err(Cause::new(FailureKind::Refused, said)),
            }
        };
        *known = Some(way);
        Ok(way)
    }

    /// Runs a command of the login's own user; what it said on standard error if it failed.
    fn answers(&self, command: &str, input: &[u8], deadline: Deadline) -> Result<Result<(), String>, Cause> {
        let (session, channel) = self.channel(command, deadline).map_err(|failure| failure.cause)?;
        let output = execute(&session, channel, command, input, deadline)?;
        self.idle().push(session);
        let said =
            output.stderr.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("; ");
        Ok(if output.status == 0 { Ok(()) } else { Err(said) })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        locked(&self.0.idle)
    }

    fn failed(&self, command: &str, cause: Cause) -> Failure {
        let short: String = command.chars().take(120).collect();
        Failure::new(format!("run `{short}`"), cause).at(self.name())
    }
}

fn open_channel(session: &Session, deadline: Deadline) -> Result<Channel, Cause> {
    deadline.bound(session)?;
    session.channel_session().map_err(|error| {
        give_up(session);
        error.into()
    })
}

/// Runs one command in one channel.
fn execute(
    session: &Session,
    mut channel: Channel,
    command: &str,
    input: &[u8],
    deadline: Deadline,
) -> Result<Output, Cause> {
    let output = converse(session, &mut channel, command, input, deadline);
    if output.is_err() {
        give_up(session);
    }
    output
}

/// Writes the input, then reads standard output to its end before standard error: libssh2 buffers the latter up to the
/// channel's window (2 MiB), which no command here fills.
fn converse(
    session: &Session,
    channel: &mut Channel,
    command: &str,
    input: &[u8],
    deadline: Deadline,
) -> Result<Output, Cause> {
    deadline.bound(session)?;
    channel.exec(command)?;
    deadline.write(session, channel, input)?;
    deadline.bound(session)?;
    channel.send_eof()?;
    let stdout = to_end(session, channel, deadline)?;
    let stderr = to_end(session, &mut channel.stderr(), deadline)?;
    deadline.bound(session)?;
    channel.wait_close()?;
    let status = channel.exit_status()?;
    Ok(Output { status, stdout, stderr })
}

fn to_end(session: &Session, stream: &mut impl Read, deadline: Deadline) -> Result<String, Cause> {
    let mut bytes = Vec::new();
    deadline.read(session, stream, &mut bytes, |_| false)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.0.name).finish()
    }
}
