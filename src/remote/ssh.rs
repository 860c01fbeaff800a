//! Commands on another machine over kept ssh sessions, with deadlines.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ssh2::{CheckResult, KnownHostFileKind, Session};

use crate::failure::{Failure, Result};
use crate::inventory::Login;

/// What a command printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A machine behind ssh. Sessions are kept and reused: one per command under way, because all channels of a libssh2
/// session wait for each other. Clones share the sessions.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    name: String,
    login: Login,
    idle: Mutex<Vec<Session>>,
}

/// How long one blocking libssh2 call may take before the deadline is looked at again.
pub(super) const SLICE: Duration = Duration::from_millis(250);

impl Remote {
    pub fn new(name: impl Into<String>, login: Login) -> Remote {
        Remote(Arc::new(Inner { name: name.into(), login, idle: Mutex::default() }))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Runs a shell command within `limit`. A status other than 0 is an answer, not an error.
    pub fn run(&self, command: &str, limit: Duration) -> Result<Output> {
        self.run_with_input(command, &[], limit)
    }

    /// Runs a shell command that must succeed; returns what it printed.
    pub fn check(&self, command: &str, limit: Duration) -> Result<String> {
        self.check_with_input(command, &[], limit)
    }

    /// The same with `input` on its standard input.
    pub fn check_with_input(&self, command: &str, input: &[u8], limit: Duration) -> Result<String> {
        let output = self.run_with_input(command, input, limit)?;
        if output.status == 0 {
            return Ok(output.stdout);
        }
        let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
        Err(Failure::new(
            format!("run `{command}`"),
            format!("exit status {}: {}", output.status, said.trim()),
        )
        .at(self.name()))
    }

    /// Runs a shell command with `input` on its standard input.
    pub fn run_with_input(&self, command: &str, input: &[u8], limit: Duration) -> Result<Output> {
        let deadline = Instant::now() + limit;
        let kept = self.idle().pop();
        if let Some(session) = kept {
            match execute(&session, command, input, deadline) {
                Ok(output) => {
                    self.idle().push(session);
                    return Ok(output);
                }
                // The kept connection may be from before a reboot of the other side: a new one decides.
                Err(_) if Instant::now() < deadline => self.forget_sessions(),
                Err(cause) => return Err(self.failed(command, cause)),
            }
        }
        let session = self.connect(deadline)?;
        let output =
            execute(&session, command, input, deadline).map_err(|cause| self.failed(command, cause))?;
        self.idle().push(session);
        Ok(output)
    }

    /// Opens a session if none is idle, so that later commands find one.
    pub fn warm(&self, limit: Duration) -> Result<()> {
        if self.idle().is_empty() {
            let session = self.connect(Instant::now() + limit)?;
            self.idle().push(session);
        }
        Ok(())
    }

    /// Drops every idle session; the next command connects anew.
    pub fn forget_sessions(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, command: &str, cause: String) -> Failure {
        let short: String = command.chars().take(120).collect();
        Failure::new(format!("run `{short}`"), cause).at(self.name())
    }

    pub(super) fn connect(&self, deadline: Instant) -> Result<Session> {
        let login = &self.0.login;
        self.handshake(deadline).map_err(|cause| {
            Failure::new(
                format!("log in to {} by ssh ({}@{})", self.name(), login.user, login.address),
                cause,
            )
        })
    }

    fn handshake(&self, deadline: Instant) -> Result<Session, String> {
        let login = &self.0.login;
        let address: SocketAddr = (login.address.as_str(), login.port)
            .to_socket_addrs()
            .map_err(|error| error.to_string())?
            .next()
            .ok_or("the name has no address")?;
        let left = |deadline: Instant| {
            deadline
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
                .ok_or("out of time")
        };
        let stream =
            TcpStream::connect_timeout(&address, left(deadline)?).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let mut session = Session::new().map_err(|error| error.to_string())?;
        session.set_timeout(left(deadline)?.as_millis() as u32);
        // Only what known_hosts has is asked for; otherwise a server with several keys may show another one.
        session.method_pref(ssh2::MethodType::HostKey, "ssh-ed25519").map_err(|error| error.to_string())?;
        session.set_tcp_stream(stream);
        session.handshake().map_err(|error| format!("handshake: {error}"))?;

        let mut known = session.known_hosts().map_err(|error| error.to_string())?;
        known
            .read_file(&login.known_hosts, KnownHostFileKind::OpenSSH)
            .map_err(|error| format!("{}: {error}", login.known_hosts.display()))?;
        let (key, _) = session.host_key().ok_or("it showed no host key")?;
        match known.check_port(&login.address, login.port, key) {
            CheckResult::Match => {}
            CheckResult::Mismatch => return Err("its host key is not the one in known_hosts".into()),
            CheckResult::NotFound => return Err(format!("it is not in {}", login.known_hosts.display())),
            CheckResult::Failure => return Err("its host key could not be checked".into()),
        }
        session
            .userauth_pubkey_file(&login.user, None, &login.key, None)
            .map_err(|error| format!("key {}: {error}", login.key.display()))?;
        Ok(session)
    }
}

/// One command in one channel. Standard output is read to its end before standard error: libssh2 buffers the
/// latter up to the channel's window (2 MiB), which no command here comes near.
fn execute(session: &Session, command: &str, input: &[u8], deadline: Instant) -> Result<Output, String> {
    let text = |error: ssh2::Error| error.to_string();
    session.set_timeout(remaining(deadline)?.as_millis() as u32);
    let mut channel = session.channel_session().map_err(text)?;
    channel.exec(command).map_err(text)?;
    if !input.is_empty() {
        channel.write_all(input).map_err(|error| error.to_string())?;
    }
    channel.send_eof().map_err(text)?;
    let stdout = drain(session, &mut channel, deadline)?;
    let stderr = drain(session, &mut channel.stderr(), deadline)?;
    session.set_timeout(remaining(deadline)?.as_millis() as u32);
    channel.wait_close().map_err(text)?;
    let status = channel.exit_status().map_err(text)?;
    Ok(Output { status, stdout, stderr })
}

fn drain(session: &Session, stream: &mut impl Read, deadline: Instant) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut block = [0; 16 * 1024];
    loop {
        session.set_timeout(remaining(deadline)?.min(SLICE).as_millis() as u32);
        match stream.read(&mut block) {
            Ok(0) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Ok(count) => bytes.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == ErrorKind::TimedOut || error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

pub(super) fn remaining(deadline: Instant) -> Result<Duration, String> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|left| left.as_millis() > 0)
        .ok_or_else(|| "no answer in time".to_owned())
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Remote").field(&self.0.name).finish()
    }
}

/// Puts text into single quotes for a POSIX shell.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
