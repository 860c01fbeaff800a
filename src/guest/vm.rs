//! One guest.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use super::Observation;
use crate::failure::{Attempt, Done, Failure};
use crate::host::{Dialogue, Host, Hosts, Remote, retry_connect};
use crate::libvirt::{Connection, Domain};
use crate::scenario::Side;
use crate::wait::Cancel;

/// How long a new connection into a guest may take, at least.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A guest of the fleet: its identity, and the kept connections that are its own.
#[derive(Debug)]
pub struct Guest {
    pub name: String,
    pub uuid: String,
    pub mac: String,
    pub address: Ipv4Addr,
    /// File in the export.
    pub image: String,
    /// ssh into the guest. The address stays the same wherever the guest runs.
    pub remote: Remote,
    /// libvirt connections that only this guest's migrations use: a migration occupies a call on both hosts for as
    /// long as it takes, and libvirtd serves a limited number of calls per connection. A connection that could not
    /// be opened is tried again by the next use.
    source: OnceCell<Connection>,
    target: OnceCell<Connection>,
    on_target: AtomicBool,
    /// Our program in the guest, waiting for questions; none before the first one and after a broken connection.
    agent: Mutex<Option<Dialogue>>,
}

impl Guest {
    pub fn new(
        name: String,
        uuid: String,
        mac: String,
        address: Ipv4Addr,
        image: String,
        remote: Remote,
    ) -> Guest {
        Guest {
            name,
            uuid,
            mac,
            address,
            image,
            remote,
            source: OnceCell::new(),
            target: OnceCell::new(),
            on_target: AtomicBool::new(false),
            agent: Mutex::default(),
        }
    }

    /// The host on which the guest should be running now.
    pub fn side(&self) -> Side {
        if self.on_target.load(Ordering::SeqCst) { Side::Target } else { Side::Source }
    }

    /// Says where the guest should be from now on.
    pub fn moved_to(&self, side: Side) {
        self.on_target.store(side == Side::Target, Ordering::SeqCst);
    }

    /// The connection for this guest's migrations.
    pub fn connection(&self, hosts: &Hosts, side: Side, cancel: &Cancel) -> Done<Connection> {
        let cell = match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        };
        cell.get_or_try_init(|| retry_connect(&hosts.library, &hosts.get(side).entry, cancel)).cloned()
    }

    /// The guest's domain as a host knows it; none if it does not.
    pub fn domain_on(&self, host: &Host) -> Done<Option<Domain>> {
        host.control.domain(&self.name).attempting(|| format!("look {} up on {}", self.name, host.entry.name))
    }

    /// The guest's domain on a host that must know it, asked for through one of the connections to that host.
    pub fn known_through(&self, connection: &Connection) -> Done<Domain> {
        let failed = |cause: String| Failure::new(format!("find {}", self.name), cause).at(connection.host());
        connection
            .domain(&self.name)
            .map_err(|error| failed(error.to_string()))?
            .ok_or_else(|| failed("no such domain".into()))
    }

    /// The same through the host's own connection.
    pub fn known_on(&self, host: &Host) -> Done<Domain> {
        self.known_through(&host.control)
    }

    /// Looks into the guest.
    pub fn observe(&self, limit: Duration) -> Done<Observation> {
        let begin = Instant::now();
        let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dialogue) = agent.as_mut() {
            if let Ok(seen) = Observation::take(dialogue, limit) {
                return Ok(seen);
            }
            *agent = None;
            self.remote.forget_sessions();
        }
        // The connection may be from before a reboot of the guest: a new one decides. It gets its own time if the
        // guest was silent for all of the limit.
        let left = limit.saturating_sub(begin.elapsed()).max(CONNECT_LIMIT);
        let mut dialogue = super::agent::open(&self.remote, left)?;
        let seen = Observation::take(&mut dialogue, left)?;
        *agent = Some(dialogue);
        Ok(seen)
    }

    /// Drops every connection into the guest.
    pub fn forget_sessions(&self) {
        *self.agent.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.remote.forget_sessions();
    }
}
