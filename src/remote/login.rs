//! The login: from an address to a session in which each side has proved its identity.

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::thread;

use ssh2::{CheckResult, KnownHostFileKind, KnownHosts, MethodType, Session};

use super::deadline::Deadline;
use super::host_key;
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::inventory::Login;

/// Opens a session on the machine that people know as `name`.
pub(super) fn log_in(name: &str, login: &Login, deadline: Deadline) -> Result<Session> {
    open(login, deadline).map_err(|cause| {
        Failure::new(format!("log in to {name} by ssh ({}@{})", login.user, login.address), cause)
    })
}

fn open(login: &Login, deadline: Deadline) -> Result<Session, Cause> {
    let stream = dial(login, deadline)?;
    let mut session = Session::new()?;
    let mut known = session.known_hosts()?;
    known
        .read_file(&login.known_hosts, KnownHostFileKind::OpenSSH)
        .map_err(|error| Cause::from(error).about(login.known_hosts.display()))?;
    // libssh2 would check the server's key that it likes best, which known_hosts may not have.
    let algorithms = host_key::algorithms(&known.hosts()?, login);
    if !algorithms.is_empty() {
        session.method_pref(MethodType::HostKey, &algorithms.join(","))?;
    }
    session.set_tcp_stream(stream);
    deadline.bound(&session)?;
    session.handshake().map_err(|error| Cause::from(error).about("handshake"))?;
    check_host_key(&session, &known, login)?;
    deadline.bound(&session)?;
    session
        .userauth_pubkey_file(&login.user, None, &login.key, None)
        .map_err(|error| Cause::from(error).about(format!("key {}", login.key.display())))?;
    Ok(session)
}

fn check_host_key(session: &Session, known: &KnownHosts, login: &Login) -> Result<(), Cause> {
    let file = login.known_hosts.display();
    let refused = |text: String| Err(Cause::new(FailureKind::Refused, text));
    let Some((key, _)) = session.host_key() else { return refused("it showed no host key".into()) };
    match known.check_port(&login.address, login.port, key) {
        CheckResult::Match => Ok(()),
        CheckResult::Mismatch => refused(format!("its host key is not the one in {file}")),
        CheckResult::NotFound => refused(format!("it is not in {file}")),
        CheckResult::Failure => refused(format!("its host key could not be checked with {file}")),
    }
}

/// Connects to the first of the machine's addresses that answers.
fn dial(login: &Login, deadline: Deadline) -> Result<TcpStream, Cause> {
    let mut last = Cause::new(FailureKind::Missing, "the name has no address");
    for address in addresses(login, deadline)? {
        match TcpStream::connect_timeout(&address, deadline.left()?) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Resolves the machine's name in a thread that may be left behind: the C library's resolver knows no deadline.
fn addresses(login: &Login, deadline: Deadline) -> Result<Vec<SocketAddr>, Cause> {
    if let Ok(address) = login.address.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, login.port)]);
    }
    let (name, port) = (login.address.clone(), login.port);
    let (tell, told) = channel();
    thread::Builder::new().name("resolve a name".into()).spawn(move || {
        // The receiver is gone after the deadline.
        let _ = tell.send((name, port).to_socket_addrs().map(Vec::from_iter));
    })?;
    match told.recv_timeout(deadline.left()?) {
        Ok(addresses) => Ok(addresses?),
        Err(_) => Err(Cause::new(FailureKind::TimedOut, "its name was not resolved in time")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::{Duration, Instant};

    use super::*;

    fn login(address: &str, port: u16) -> Login {
        Login {
            address: address.into(),
            port,
            user: "root".into(),
            key: "/nowhere/key".into(),
            known_hosts: "/dev/null".into(),
        }
    }

    fn failure(login: &Login, limit: Duration) -> Failure {
        match log_in("server", login, Deadline::after(limit)) {
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
