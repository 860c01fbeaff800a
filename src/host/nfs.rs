//! Asks an NFS server whether it serves, by the NULL procedure of its NFS program (RFC 5531 and RFC 1813, 3.3.0), which
//! does nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::sys::resolve::resolve;

/// TCP port of NFS (RFC 7530, 3.1; version 3 servers use it, too).
const PORT: u16 = 2049;

const PROGRAM: u32 = 100_003;
const VERSION: u32 = 3;

/// The number of our call, which the answer repeats.
const CALL_ID: u32 = 0x6d76_6d31;

/// Words of RFC 5531: a call, an answer, RPC version 2, no credentials.
const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
const NOTHING: u32 = 0;

/// The mark of the only fragment of a record.
const LAST_FRAGMENT: u32 = 1 << 31;

/// Asks the server once. A server that does not know the version answers as well, since it serves another one.
pub(super) fn ping(server: &str, limit: Duration) -> Result<()> {
    ping_by_name(server, limit).map_err(|cause| {
        Failure::new(format!("get an answer from the NFS server {server}"), cause)
            .try_next("is nfsd, or ganesha.nfsd, still running there? Its log says why it ended")
    })
}

fn ping_by_name(server: &str, limit: Duration) -> Result<(), Cause> {
    let begin = Instant::now();
    let address = resolve(server, PORT, limit)?.into_iter().next();
    let address = address.ok_or_else(|| Cause::new(FailureKind::Missing, "the name has no address"))?;
    ping_at(address, limit.saturating_sub(begin.elapsed()))
}

fn ping_at(server: SocketAddr, limit: Duration) -> Result<(), Cause> {
    let deadline = Instant::now() + limit;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&server, left())?;
    stream.set_write_timeout(Some(left()))?;
    stream.write_all(&call())?;
    stream.set_read_timeout(Some(left()))?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let word = |at: usize| u32::from_be_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]]);
    if (word(4), word(8)) == (CALL_ID, REPLY) {
        Ok(())
    } else {
        Err("something else than RPC answers".into())
    }
}

/// The bytes of the call on TCP: the length of its record, then its words.
fn call() -> Vec<u8> {
    let words = [CALL_ID, CALL, RPC_VERSION, PROGRAM, VERSION, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING];
    let length = LAST_FRAGMENT | (words.len() * 4) as u32;
    std::iter::once(length).chain(words).flat_map(u32::to_be_bytes).collect()
}

/// How long a server that is busy with guests may take to answer.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A server that reads one call and sends these words.
    fn server(words: &'static [u32]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut call = [0; 44];
            stream.read_exact(&mut call).unwrap();
            assert_eq!(call[..4], (LAST_FRAGMENT | 40).to_be_bytes());
            let answer: Vec<u8> = words.iter().copied().flat_map(u32::to_be_bytes).collect();
            stream.write_all(&answer).unwrap();
        });
        address
    }

    #[test]
    fn a_server_that_answers_serves() {
        ping_at(server(&[LAST_FRAGMENT | 24, CALL_ID, REPLY, 0, 0, 0, 0]), PATIENCE).unwrap();
    }

    #[test]
    fn something_else_does_not_serve() {
        let cause = ping_at(server(&[0x5353_482d, 0x322e_302d, 0x4f70_656e]), PATIENCE).unwrap_err();
        assert!(cause.text.contains("something else than RPC"), "{cause}");
    }

    #[test]
    fn nobody_there_is_unreachable() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(ping_at(address, PATIENCE).unwrap_err().kind, FailureKind::Unreachable);
    }

    #[test]
    fn a_server_that_is_stopped_is_not_waited_for() {
        // The kernel accepts the connection, but nobody answers.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let cause = ping_at(listener.local_addr().unwrap(), Duration::from_millis(50)).unwrap_err();
        assert_eq!(cause.kind, FailureKind::TimedOut, "{cause}");
    }
}
