//! The login: from an address to a session in which each side has proved its identity.

use std::time::Duration;

use ssh2::{MethodType, Session};

use super::authenticate::authenticate;
use super::deadline::Deadline;
use super::dial::Stream;
use super::host_key::{self, Identity};
use super::password::KeptPassword;
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::inventory::{HostKey, Login, Trust};

/// How long a login may take, whatever it is for. A machine that hangs takes connections and says nothing: an undo, which may take
/// long, would wait for it as long.
const LIMIT: Duration = Duration::from_secs(60);

/// Opens a session on the machine that people know as `name`. One that was met for the first time is known from then on.
pub(super) fn log_in(
    name: &str,
    login: &Login,
    password: &KeptPassword,
    deadline: Deadline,
) -> Result<(Session, Identity)> {
    let deadline = deadline.at_most(LIMIT);
    let open = || {
        let (session, identity) = meet(login, deadline)?;
        authenticate(&session, login, password, deadline)?;
        if identity.is_new {
            host_key::remember(&session, login)?;
        }
        Ok((session, identity))
    };
    open().map_err(|cause| failure(name, login, cause))
}

/// The identity of the machine that people know as `name`, without a login.
pub(super) fn identify(name: &str, login: &Login, deadline: Deadline) -> Result<Identity> {
    meet(login, deadline.at_most(LIMIT))
        .map(|(_, identity)| identity)
        .map_err(|cause| failure(name, login, cause))
}

fn failure(name: &str, login: &Login, cause: Cause) -> Failure {
    Failure::new(format!("log in to {name} by ssh ({}@{})", login.user, login.address), cause)
}

/// Opens a session with a machine that has proved its identity.
fn meet(login: &Login, deadline: Deadline) -> Result<(Session, Identity), Cause> {
    let met = greet(login, None, deadline);
    // A machine has a key of each kind. Which one a fingerprint is of shows when it is tried.
    if let (Trust::Key(HostKey::Fingerprint(_)), Err(cause)) = (&login.trust, &met)
        && cause.kind == FailureKind::Refused
    {
        let other = host_key::each().find_map(|kind| greet(login, Some(kind), deadline).ok());
        return other.map_or(met, Ok);
    }
    met
}

fn greet(
    login: &Login,
    kind: Option<&[&'static str]>,
    deadline: Deadline,
) -> Result<(Session, Identity), Cause> {
    let (socket, last_words) = Stream::open(login, deadline)?.split();
    let mut session = Session::new()?;
    let algorithms = match kind {
        Some(kind) => kind.to_vec(),
        None => host_key::algorithms(login)?,
    };
    if !algorithms.is_empty() {
        session.method_pref(MethodType::HostKey, &algorithms.join(","))?;
    }
    session.set_tcp_stream(socket);
    deadline.bound(&session)?;
    session.handshake().map_err(|error| last_words.add(Cause::from(error).about("handshake")))?;
    let identity = host_key::check(&session, login)?;
    Ok((session, identity))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::{Duration, Instant};

    use super::*;

    fn login(address: &str, port: u16) -> Login {
        Login::of_root(address, port, "/nowhere/key", "/dev/null")
    }

    fn failure(login: &Login, limit: Duration) -> Failure {
        match log_in("server", login, &KeptPassword::default(), Deadline::after(limit)) {
            Ok(_) => panic!("logged in"),
            Err(failure) => failure,
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for_beyond_the_limit() {
        // Connections are made by the kernel; nobody accepts them.
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let begin = Instant::now();
        let silent = login("127.0.0.1", server.local_addr().unwrap().port());
        let failure = failure(&silent, Duration::from_millis(300));
        assert_eq!(failure.kind(), FailureKind::TimedOut, "{failure}");
        assert!(begin.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn no_server_is_unreachable() {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let failure = failure(&login("127.0.0.1", port), Duration::from_secs(60));
        assert_eq!(failure.kind(), FailureKind::Unreachable, "{failure}");
        let text = failure.to_string();
        assert!(text.starts_with("cannot log in to server by ssh (root@127.0.0.1): "), "{text}");
    }

    #[test]
    fn no_time_is_no_attempt() {
        let failure = failure(&login("192.0.2.7", 22), Duration::ZERO);
        assert_eq!(failure.kind(), FailureKind::TimedOut, "{failure}");
    }
}
