//! A guest of the fleet.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::last_look::LastLook;
use super::ours::ours;
use super::reaches::Reaches;
use crate::failure::{Failure, Result};
use crate::host::{Host, Hosts, retry_connect};
use crate::libvirt::{Connection, OurDomain};
use crate::remote::Agent;
use crate::scenario::{Member, Side};
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// How long a connection to a guest's sshd may take. The guest is on the next switch, and multivm tries again.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_millis(300);

/// How long the guest's sshd may then take to greet. On a busy host that takes longer than the connection, which the kernel
/// makes; and every connection that multivm gives up too early costs the guest another process.
const GREETING_LIMIT: Duration = Duration::from_secs(3);

/// A TCP port of guests on which nobody listens: their kernels refuse connections to it, which costs them no process.
pub(super) const UNUSED_PORT: u16 = 9;

/// A guest of the fleet: its identity, and its own kept connections.
#[derive(Debug)]
pub struct Guest {
    pub name: String,
    /// The id of the guest's owner, which its domain's mark has as well.
    pub owner: String,
    pub uuid: String,
    pub mac: String,
    pub address: Ipv4Addr,
    /// What it boots from, and its size.
    pub member: Member,
    /// The image's file name in the export.
    pub image: String,
    /// libvirt connections for this guest's migrations alone: a migration occupies a call on both hosts for as long as it
    /// takes, and libvirtd serves a limited number of calls per connection. The next use opens a connection that could not
    /// be opened before. A connection that was closed stays closed until it is forgotten.
    source: Mutex<Option<Connection>>,
    target: Mutex<Option<Connection>>,
    on_target: AtomicBool,
    /// The moment on the witness's clock up to which its report was heard, microseconds.
    pub(super) heard_us: AtomicU64,
    pub(super) reaches: Mutex<Reaches>,
    last_look: Mutex<Option<LastLook>>,
    /// Our program in the guest.
    pub agent: Agent,
}

impl Guest {
    pub fn new(
        name: String,
        owner: String,
        uuid: String,
        mac: String,
        address: Ipv4Addr,
        member: Member,
        agent: Agent,
    ) -> Guest {
        Guest {
            image: format!("{name}.qcow2"),
            name,
            uuid,
            mac,
            address,
            member,
            source: Mutex::default(),
            target: Mutex::default(),
            on_target: AtomicBool::new(false),
            heard_us: AtomicU64::new(0),
            reaches: Mutex::default(),
            last_look: Mutex::default(),
            // The address stays, wherever the guest runs.
            agent: agent.for_loads_of(&owner),
            owner,
        }
    }

    /// The file name of its seed in the export, if it has one.
    pub fn seed(&self) -> String {
        format!("{}-seed.iso", self.name)
    }

    /// The host on which the guest should be running now.
    pub fn side(&self) -> Side {
        if self.on_target.load(Ordering::SeqCst) { Side::Target } else { Side::Source }
    }

    /// Notes the host on which the guest should run from now on.
    pub fn moved_to(&self, side: Side) {
        self.on_target.store(side == Side::Target, Ordering::SeqCst);
    }

    /// Notes how a look saw the guest.
    pub(super) fn looked_at(&self, look: LastLook) {
        *locked(&self.last_look) = Some(look);
    }

    /// Forgets the last look at a guest that is started anew, or that somebody knows to be damaged: only a later look tells what
    /// befalls it from now on.
    pub fn forget_look(&self) {
        *locked(&self.last_look) = None;
    }

    /// The last look that the guest answered; none before the first one, and after its start or a damage.
    pub fn last_look(&self) -> Option<LastLook> {
        locked(&self.last_look).clone()
    }

    /// The connection for this guest's migrations.
    pub fn connection(&self, hosts: &Hosts, side: Side, stop: &StopFlag) -> Result<Connection> {
        let mut kept = locked(match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        });
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        Ok(kept.insert(retry_connect(&hosts.library, &hosts.get(side).entry, stop)?).clone())
    }

    /// Whether a connection for this guest's migrations was closed, by the other side or by keepalive.
    pub fn has_closed_connection(&self) -> bool {
        [&self.source, &self.target].into_iter().any(|kept| locked(kept).as_ref().is_some_and(is_closed))
    }

    /// Forgets closed connections, so that the next use opens new ones.
    pub fn forget_closed_connections(&self) {
        for kept in [&self.source, &self.target] {
            let mut kept = locked(kept);
            if kept.as_ref().is_some_and(is_closed) {
                *kept = None;
            }
        }
    }

    /// The guest's domain as a host knows it; none if the host has no domain of that name. Refuses a domain that is not
    /// ours.
    pub fn domain_on(&self, host: &Host) -> Result<Option<OurDomain>> {
        self.domain_through(&host.control)
    }

    /// The guest's domain through one of the connections to a host; none where the host does not know it.
    pub fn domain_through(&self, connection: &Connection) -> Result<Option<OurDomain>> {
        let found = connection
            .domain(&self.name)
            .map_err(|error| Failure::new(format!("look {} up", self.name), error).at(connection.host()))?;
        let Some(domain) = found else { return Ok(None) };
        match ours(&domain, &self.owner) {
            // The domain left between the two questions: one that arrives disappears when its migration fails.
            Err(_) if domain.state().is_err_and(|error| error.is_no_domain()) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// The guest's domain on a host that must know it, through one of the connections to that host.
    pub fn known_through(&self, connection: &Connection) -> Result<OurDomain> {
        self.domain_through(connection)?.ok_or_else(|| {
            Failure::new(format!("find {}", self.name), "no such domain").at(connection.host())
        })
    }

    /// The guest's domain on a host that must know it, through the host's own connection.
    pub fn known_on(&self, host: &Host) -> Result<OurDomain> {
        self.known_through(&host.control)
    }

    /// Waits until the guest's kernel answers a new TCP connection. A refusal is an answer.
    pub fn await_new_connection(&self, limit: Duration, stop: &StopFlag) -> Result<()> {
        wait_for(&format!("an answer of {} to a new TCP connection", self.name), limit, stop, || {
            match self.connect_anew(CONNECT_LIMIT.max(limit / 4)) {
                Ok(()) => Poll::Ready(()),
                Err(error) => Poll::NotYet(error.to_string()),
            }
        })
    }

    /// Opens a new TCP connection to the guest, which its kernel may refuse.
    pub(super) fn connect_anew(&self, limit: Duration) -> std::io::Result<()> {
        match TcpStream::connect_timeout(&(self.address, UNUSED_PORT).into(), limit) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            opened => opened.map(drop),
        }
    }

    /// Asks the guest's sshd once for its greeting.
    pub fn greeting(&self) -> std::io::Result<()> {
        self.greeting_within(CONNECT_LIMIT, GREETING_LIMIT)
    }

    /// Asks the guest's sshd once for its greeting. `connect` limits the kernel's time for the connection, and `greeting`
    /// limits sshd's time for the greeting.
    pub fn greeting_within(&self, connect: Duration, greeting: Duration) -> std::io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&(self.address, 22).into(), connect)?;
        stream.set_read_timeout(Some(greeting))?;
        // Every greeting of ssh begins with these bytes (RFC 4253, 4.2).
        let mut begin = [0; 4];
        stream.read_exact(&mut begin)?;
        if begin == *b"SSH-" { Ok(()) } else { Err(std::io::Error::other("something else than ssh answers")) }
    }
}

fn is_closed(connection: &Connection) -> bool {
    !connection.is_alive()
}

#[cfg(test)]
impl Guest {
    /// A guest of a given name that does not exist: 192.0.2.0/24 is for documentation (RFC 5737).
    pub fn in_a_test(name: &str) -> Guest {
        let login = crate::inventory::Login::of_root("192.0.2.1", 22, "/nowhere/key", "/nowhere/known_hosts");
        let remote = crate::remote::Remote::new(name, login);
        let member = Member { image: None, vcpus: 1, memory: crate::scenario::Bytes(256 << 20) };
        let agent = Agent::new(remote);
        let address = Ipv4Addr::new(192, 0, 2, 1);
        Guest::new(name.into(), "test".into(), String::new(), String::new(), address, member, agent)
    }
}
