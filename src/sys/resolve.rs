//! The addresses of a machine's name, by a wait that ends.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::bounded;
use super::stop::StopFlag;
use crate::failure::{Cause, FailureKind, Result};

/// Resolves a name within a limit. A name that is an address already is not asked for.
pub fn resolve(name: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, Cause> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let name = name.to_owned();
    within(limit, move || (name.as_str(), port).to_socket_addrs().map(Vec::from_iter))
}

/// Asks the C library's resolver, which knows no deadline, in a thread that may be left behind.
fn within(
    limit: Duration,
    ask: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> Result<Vec<SocketAddr>, Cause> {
    match bounded::answer(limit, &StopFlag::new(), ask) {
        Some(addresses) => Ok(addresses?),
        None => Err(Cause::new(FailureKind::TimedOut, "its name was not resolved in time")),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn never() -> io::Result<Vec<SocketAddr>> {
        loop {
            thread::park();
        }
    }

    #[test]
    fn an_address_is_what_it_says() {
        let addresses = ["192.0.2.7", "2001:db8::7"].map(|name| resolve(name, 22, Duration::ZERO).unwrap());
        assert_eq!(
            addresses.map(|found| found.iter().map(SocketAddr::to_string).collect::<Vec<_>>()),
            [["192.0.2.7:22"], ["[2001:db8::7]:22"]]
        );
    }

    #[test]
    fn a_name_has_its_addresses() {
        let addresses = resolve("localhost", 2049, LONG).unwrap();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 2049));
    }

    #[test]
    fn a_resolver_that_hangs_is_left_alone() {
        let cause = within(Duration::from_millis(1), never).unwrap_err();
        assert_eq!(cause.kind, FailureKind::TimedOut, "{cause}");
    }
}
