//! Commands on another machine over kept ssh sessions, with deadlines.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ssh2::{CheckResult, ErrorCode, KnownHostFileKind, Session};

use crate::failure::{Cause, Failure, FailureKind, Result};
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

    fn failed(&self, command: &str, cause: Cause) -> Failure {
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

    fn handshake(&self, deadline: Instant) -> Result<Session, Cause> {
        let login = &self.0.login;
        let address: SocketAddr = (login.address.as_str(), login.port)
            .to_socket_addrs()?
            .next()
            .ok_or("the name has no address")?;
        let left = |deadline: Instant| {
            deadline
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
                .ok_or_else(|| Cause::new(FailureKind::TimedOut, "out of time"))
        };
        let stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
        stream.set_nodelay(true)?;
        let mut session = Session::new()?;
        session.set_timeout(left(deadline)?.as_millis() as u32);
        // Only what known_hosts has is asked for; otherwise a server with several keys may show another one.
        session.method_pref(ssh2::MethodType::HostKey, "ssh-ed25519")?;
        session.set_tcp_stream(stream);
        session.handshake().map_err(|error| Cause::from(error).about("handshake"))?;

        let mut known = session.known_hosts()?;
        known
            .read_file(&login.known_hosts, KnownHostFileKind::OpenSSH)
            .map_err(|error| Cause::from(error).about(login.known_hosts.display()))?;
        let refused = |text: String| Cause::new(FailureKind::Refused, text);
        let (key, _) = session.host_key().ok_or("it showed no host key")?;
        match known.check_port(&login.address, login.port, key) {
            CheckResult::Match => {}
            CheckResult::Mismatch => {
                return Err(refused("its host key is not the one in known_hosts".into()));
            }
            CheckResult::NotFound => {
                return Err(refused(format!("it is not in {}", login.known_hosts.display())));
            }
            CheckResult::Failure => return Err(refused("its host key could not be checked".into())),
        }
        session
            .userauth_pubkey_file(&login.user, None, &login.key, None)
            .map_err(|error| Cause::from(error).about(format!("key {}", login.key.display())))?;
        Ok(session)
    }
}

/// One command in one channel. Standard output is read to its end before standard error: libssh2 buffers the
/// latter up to the channel's window (2 MiB), which no command here comes near.
fn execute(session: &Session, command: &str, input: &[u8], deadline: Instant) -> Result<Output, Cause> {
    session.set_timeout(remaining(deadline)?.as_millis() as u32);
    let mut channel = session.channel_session()?;
    channel.exec(command)?;
    if !input.is_empty() {
        channel.write_all(input)?;
    }
    channel.send_eof()?;
    let stdout = drain(session, &mut channel, deadline)?;
    let stderr = drain(session, &mut channel.stderr(), deadline)?;
    session.set_timeout(remaining(deadline)?.as_millis() as u32);
    channel.wait_close()?;
    let status = channel.exit_status()?;
    Ok(Output { status, stdout, stderr })
}

fn drain(session: &Session, stream: &mut impl Read, deadline: Instant) -> Result<String, Cause> {
    let mut bytes = Vec::new();
    let mut block = [0; 16 * 1024];
    loop {
        session.set_timeout(remaining(deadline)?.min(SLICE).as_millis() as u32);
        match stream.read(&mut block) {
            Ok(0) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Ok(count) => bytes.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == ErrorKind::TimedOut || error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn remaining(deadline: Instant) -> Result<Duration, Cause> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|left| left.as_millis() > 0)
        .ok_or_else(|| Cause::new(FailureKind::TimedOut, "no answer in time"))
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Remote").field(&self.0.name).finish()
    }
}

impl From<ssh2::Error> for Cause {
    fn from(error: ssh2::Error) -> Cause {
        Cause::of(kind(error.code()), error)
    }
}

/// Numbers are those of libssh2.h.
fn kind(code: ErrorCode) -> FailureKind {
    const SOCKET_SEND: i32 = -7;
    const TIMEOUT: i32 = -9;
    const SOCKET_DISCONNECT: i32 = -13;
    const FILE: i32 = -16;
    const AUTHENTICATION_FAILED: i32 = -18;
    const PUBLICKEY_UNVERIFIED: i32 = -19;
    const SOCKET_TIMEOUT: i32 = -30;
    const EAGAIN: i32 = -37;
    const SOCKET_RECV: i32 = -43;
    const BAD_SOCKET: i32 = -45;
    match code {
        ErrorCode::Session(TIMEOUT | SOCKET_TIMEOUT | EAGAIN) => FailureKind::TimedOut,
        ErrorCode::Session(SOCKET_SEND | SOCKET_DISCONNECT | SOCKET_RECV | BAD_SOCKET) => {
            FailureKind::Unreachable
        }
        ErrorCode::Session(AUTHENTICATION_FAILED | PUBLICKEY_UNVERIFIED) => FailureKind::Refused,
        ErrorCode::Session(FILE) => FailureKind::Missing,
        ErrorCode::Session(_) | ErrorCode::SFTP(_) => FailureKind::Other,
    }
}

/// Puts text into single quotes for a POSIX shell.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
