//! The stream to a machine's sshd: directly, or through another machine.

use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use super::deadline::Deadline;
use crate::failure::{Cause, FailureKind, Result};
use crate::inventory::{Login, bracketed};
use crate::sys::resolve::resolve;

/// How long the jump host's words are waited for after the stream has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The seconds between two questions to a silent machine, and how many may stay unanswered: a guest may be silent for long while it
/// migrates.
const KEEPALIVE_INTERVAL_S: u32 = 10;
const KEEPALIVE_COUNT: u32 = 12;

/// The stream to an sshd.
pub struct Stream {
    socket: OwnedFd,
    /// What `ssh` says on its way through the jump host.
    words: Option<Receiver<String>>,
}

impl Stream {
    /// Connects to the machine of a login.
    pub fn open(login: &Login, deadline: Deadline) -> Result<Stream, Cause> {
        match &login.jump {
            None => Ok(Stream { socket: dial(login, deadline)?.into(), words: None }),
            Some(jump) => through(jump, login, deadline),
        }
    }

    /// The socket, and what tells why it ended.
    pub fn split(self) -> (Socket, LastWords) {
        (Socket(self.socket), LastWords(self.words))
    }
}

/// The socket of a stream.
pub struct Socket(OwnedFd);

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Tells why a stream ended.
pub struct LastWords(Option<Receiver<String>>);

impl LastWords {
    /// Adds what the way through a jump host said, if the stream's end is the cause.
    pub fn add(&self, cause: Cause) -> Cause {
        let said = self.0.as_ref().and_then(|words| words.recv_timeout(LAST_WORDS).ok());
        match said.as_deref().map(str::trim).filter(|said| !said.is_empty()) {
            Some(said) => {
                // What is refused is refused the next time, too. Only the words tell: ssh ends with 255 whatever went wrong
                // (ssh(1), EXIT STATUS). It says them in no other language.
                let refused = ["Permission denied", "Host key verification failed"];
                let is_refused = refused.iter().any(|words| said.contains(words));
                let kind = if is_refused { FailureKind::Refused } else { FailureKind::Unreachable };
                Cause::new(kind, format!("the jump host: {said}"))
            }
            None => cause,
        }
    }
}

/// Connects to the first of the machine's addresses that answers.
fn dial(login: &Login, deadline: Deadline) -> Result<TcpStream, Cause> {
    let mut last = Cause::new(FailureKind::Missing, "the name has no address");
    for address in resolve(&login.address, login.port, deadline.left()?)? {
        match TcpStream::connect_timeout(&address, deadline.left()?) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                keep_alive(&stream)?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Asks a silent machine whether it still knows of the connection: one that was reset does not, and its refusal ends a call that would
/// wait for an answer until its limit.
fn keep_alive(stream: &TcpStream) -> Result<(), Cause> {
    let set = || {
        setsockopt(stream, sockopt::KeepAlive, &true)?;
        setsockopt(stream, sockopt::TcpKeepIdle, &KEEPALIVE_INTERVAL_S)?;
        setsockopt(stream, sockopt::TcpKeepInterval, &KEEPALIVE_INTERVAL_S)?;
        setsockopt(stream, sockopt::TcpKeepCount, &KEEPALIVE_COUNT)
    };
    set().map_err(|error| Cause::from(io::Error::from(error)))
}

/// Goes through a jump host with the user's own `ssh`, and so with the user's keys, agent and known hosts for that machine.
fn through(jump: &str, login: &Login, deadline: Deadline) -> Result<Stream, Cause> {
    let (ours, theirs) = UnixStream::pair()?;
    let input = theirs.try_clone()?;
    let mut child = Command::new("ssh")
        .arg(format!("-oConnectTimeout={}", deadline.left()?.as_secs().max(1)))
        .arg(format!("-oServerAliveInterval={KEEPALIVE_INTERVAL_S}"))
        .arg(format!("-oServerAliveCountMax={KEEPALIVE_COUNT}"))
        .args(arguments(jump, login))
        // Ctrl-C is for multivm, which still cleans up through it.
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(input)))
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Cause::from(error).about("ssh, for the jump host"))?;
    let (tell, words) = channel();
    let listen = move || {
        let _ = tell.send(last_words(&mut child));
    };
    thread::Builder::new().name("jump host".into()).spawn(listen)?;
    Ok(Stream { socket: ours.into(), words: Some(words) })
}

/// Reads what `ssh` says until it ends, which it does with the stream, and reaps it.
fn last_words(child: &mut Child) -> String {
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut said);
    }
    let _ = child.wait();
    said.lines().last().unwrap_or_default().to_owned()
}

fn arguments(jump: &str, login: &Login) -> Vec<String> {
    // `[USER@]HOST[:PORT]`, where an IPv6 address with a port is in brackets.
    let (user, place) = jump.split_once('@').map_or((None, jump), |(user, place)| (Some(user), place));
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let mut arguments: Vec<String> = ["-T", "-o", "BatchMode=yes", "-W"].map(str::to_owned).into();
    arguments.push(format!("{}:{}", bracketed(&login.address), login.port));
    arguments.extend(port.map(|port| format!("-p{port}")));
    arguments.extend(["--".to_owned(), user.map_or(host.to_owned(), |user| format!("{user}@{host}"))]);
    arguments
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::name("bastion", "kvm1", "-W kvm1:22 -- bastion")]
    #[case::user_and_port("me@bastion:2222", "192.0.2.7", "-W 192.0.2.7:22 -p2222 -- me@bastion")]
    #[case::ipv6("me@[2001:db8::1]:2222", "2001:db8::7", "-W [2001:db8::7]:22 -p2222 -- me@2001:db8::1")]
    #[case::ipv6_alone("[2001:db8::1]", "kvm1", "-W kvm1:22 -- 2001:db8::1")]
    fn a_jump_host_is_one_of_openssh(#[case] jump: &str, #[case] address: &str, #[case] expected: &str) {
        let words = arguments(jump, &Login::of_root(address, 22, "k", "h")).join(" ");
        assert_eq!(words, format!("-T -o BatchMode=yes {expected}"));
    }
}
