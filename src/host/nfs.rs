//! Asks an NFS server whether it serves, in the three steps by which QEMU's NFS client (libnfs) mounts an export: the NFS
//! program, the portmapper (rpcbind) for the port of the mount service, and that service. A NULL procedure (RFC 5531) does
//! nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::sys::resolve::resolve;

/// A program of RPC and its version.
type RpcProgram = (u32, u32);

/// RFC 1813, 3.3.0 and 5.2.0, and RFC 1833, 3: version 2 is the portmapper's.
const NFS: RpcProgram = (100_003, 3);
const MOUNT: RpcProgram = (100_005, 3);
const PORTMAPPER: RpcProgram = (100_000, 2);

/// TCP port of NFS (RFC 7530, 3.1; version 3 servers use it, too).
const NFS_PORT: u16 = 2049;

/// TCP port of the portmapper (RFC 1833, 3.1).
const PORTMAPPER_PORT: u16 = 111;

/// Numbers of procedures: NULL of every program, and PMAPPROC_GETPORT, which takes a program, its version, a protocol and
/// nothing.
const NULL: u32 = 0;
const GET_PORT: u32 = 3;
const TCP: u32 = 6;

/// The number of our call, which the answer repeats.
const CALL_ID: u32 = 0x6d76_6d31;

/// Words of RFC 5531: a call, an answer, RPC version 2, no credentials.
const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
const NOTHING: u32 = 0;

/// The mark of the only fragment of a record.
const LAST_FRAGMENT: u32 = 1 << 31;

/// The words of an answer, with the length before it: what any answer begins with, and one of GETPORT, which ends with the
/// port.
const BEGIN: usize = 3;
const WITH_A_PORT: usize = 8;

/// Asks each of the server's programs once. A program that does not know the version answers as well, since it serves
/// another one.
pub(super) fn ping(server: &str, limit: Duration) -> Result<()> {
    ping_by_name(server, limit).map_err(|cause| {
        Failure::new(format!("get an answer from the NFS server {server}"), cause).try_next(
            "are rpcbind and nfsd, or ganesha.nfsd, still running there? Their logs say why they ended",
        )
    })
}

fn ping_by_name(server: &str, limit: Duration) -> Result<(), Cause> {
    let deadline = Instant::now() + limit;
    let address = resolve(server, NFS_PORT, limit)?.into_iter().next();
    let address = address.ok_or_else(|| Cause::new(FailureKind::Missing, "the name has no address"))?;
    let portmapper = SocketAddr::new(address.ip(), PORTMAPPER_PORT);
    ping_at(address, NFS, deadline)?;
    let port = mount_port(portmapper, deadline).map_err(|cause| cause.about("its rpcbind, at port 111"))?;
    let mount = SocketAddr::new(address.ip(), port);
    ping_at(mount, MOUNT, deadline).map_err(|cause| cause.about(format!("its mount service, at port {port}")))
}

fn ping_at(server: SocketAddr, program: RpcProgram, deadline: Instant) -> Result<(), Cause> {
    asked::<BEGIN>(server, &call(program, NULL, &[]), deadline).map(drop)
}

/// The port of the mount service, as a server's portmapper knows it.
fn mount_port(server: SocketAddr, deadline: Instant) -> Result<u16, Cause> {
    let (program, version) = MOUNT;
    let call = call(PORTMAPPER, GET_PORT, &[program, version, TCP, NOTHING]);
    let answer = asked::<WITH_A_PORT>(server, &call, deadline)?;
    match u16::try_from(answer[WITH_A_PORT - 1]) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Cause::new(FailureKind::Missing, "no mount service is registered there")),
    }
}

/// The first words of the answer to a call.
fn asked<const WORDS: usize>(
    server: SocketAddr,
    call: &[u8],
    deadline: Instant,
) -> Result<[u32; WORDS], Cause> {
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&server, left())?;
    stream.set_write_timeout(Some(left()))?;
    stream.write_all(call)?;
    let mut words = [0; WORDS];
    for word in &mut words {
        let mut bytes = [0; 4];
        stream.set_read_timeout(Some(left()))?;
        stream.read_exact(&mut bytes)?;
        *word = u32::from_be_bytes(bytes);
    }
    if words[1..BEGIN] == [CALL_ID, REPLY] {
        Ok(words)
    } else {
        Err("something else than RPC answers".into())
    }
}

/// The bytes of the call on TCP: the length of its record, then its words.
fn call((program, version): RpcProgram, procedure: u32, arguments: &[u32]) -> Vec<u8> {
    let head = [CALL_ID, CALL, RPC_VERSION, program, version, procedure, NOTHING, NOTHING, NOTHING, NOTHING];
    let words = [&head, arguments].concat();
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

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// A server that reads one call of so many words and sends these words.
    fn server(call: u32, words: &'static [u32]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; 4 + 4 * call as usize];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(asked[..4], (LAST_FRAGMENT | (4 * call)).to_be_bytes());
            let answer: Vec<u8> = words.iter().copied().flat_map(u32::to_be_bytes).collect();
            stream.write_all(&answer).unwrap();
        });
        address
    }

    #[test]
    fn a_server_that_answers_serves() {
        let server = server(10, &[LAST_FRAGMENT | 24, CALL_ID, REPLY, 0, 0, 0, 0]);
        ping_at(server, NFS, later()).unwrap();
    }

    #[test]
    fn something_else_does_not_serve() {
        let server = server(10, &[0x5353_482d, 0x322e_302d, 0x4f70_656e]);
        let cause = ping_at(server, NFS, later()).unwrap_err();
        assert!(cause.text.contains("something else than RPC"), "{cause}");
    }

    #[test]
    fn a_portmapper_knows_the_port_of_the_mount_service_or_that_there_is_none() {
        let answer = |words| mount_port(server(14, words), later());
        assert_eq!(answer(&[LAST_FRAGMENT | 28, CALL_ID, REPLY, 0, 0, 0, 0, 20048]), Ok(20048));
        let none = answer(&[LAST_FRAGMENT | 28, CALL_ID, REPLY, 0, 0, 0, 0, 0]).unwrap_err();
        assert_eq!(none.kind, FailureKind::Missing);
    }

    #[test]
    fn nobody_there_is_unreachable() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(ping_at(address, NFS, later()).unwrap_err().kind, FailureKind::Unreachable);
    }

    #[test]
    fn a_server_that_is_stopped_is_not_waited_for() {
        // The kernel accepts the connection, but nobody answers.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let soon = Instant::now() + Duration::from_millis(50);
        let cause = ping_at(listener.local_addr().unwrap(), NFS, soon).unwrap_err();
        assert_eq!(cause.kind, FailureKind::TimedOut, "{cause}");
    }
}
