//! The place of a stress tool: a guest or a host. Both are machines with our program.

use std::sync::Arc;

use crate::guest::{Fleet, Guest};
use crate::host::Host;
use crate::remote::{Agent, Observation};
use crate::scenario::{Bytes, Profile, Side};

/// A guest or a host.
#[derive(Debug, Clone)]
pub enum Place {
    Guest(Arc<Guest>),
    Host(HostPlace),
}

/// The facts about a host that a load needs.
#[derive(Debug, Clone)]
pub struct HostPlace {
    name: String,
    agent: Arc<Agent>,
    folder: String,
}

/// The folder of a file-writing load in a guest, on the guest's own disk.
const GUEST_FOLDER: &str = "/var/lib/multivm/load";

impl Place {
    pub fn host(fleet: &Fleet, side: Side) -> Place {
        let host = fleet.hosts.get(side);
        Place::on_host(&host.entry.name, Arc::clone(&host.agent), host.load_folder())
    }

    /// A host by its name, with our program there and the folder for a load that writes files.
    pub fn on_host(name: &str, agent: Arc<Agent>, folder: String) -> Place {
        Place::Host(HostPlace { name: name.to_owned(), agent, folder })
    }

    pub fn name(&self) -> &str {
        match self {
            Place::Guest(guest) => &guest.name,
            Place::Host(host) => &host.name,
        }
    }

    pub fn agent(&self) -> &Agent {
        match self {
            Place::Guest(guest) => &guest.agent,
            Place::Host(host) => &host.agent,
        }
    }

    /// The folder of a file-writing load, which is the load's alone.
    pub fn folder(&self) -> &str {
        match self {
            Place::Guest(_) => GUEST_FOLDER,
            Place::Host(host) => &host.folder,
        }
    }

    /// The guest's name; none for a host.
    pub fn guest(&self) -> Option<&str> {
        match self {
            Place::Guest(guest) => Some(&guest.name),
            Place::Host(..) => None,
        }
    }
}

/// The beginning of the name of a guest's process.
const QEMU: &str = "qemu-system-";

/// Memory that a host's guests and daemons leave of what the host has, when all of the fleet is on it: the guests come
/// and go while the load stays. `MemAvailable` is the kernel's word for the whole machine; a host that may use less of it
/// (a container, a lab host) has that less what its processes have resident.
pub fn memory_left(host: &Host, seen: &Observation, profile: &Profile) -> Bytes {
    let guests: u64 = seen
        .processes
        .iter()
        .filter(|process| process.name.starts_with(QEMU))
        .map(|process| process.resident_bytes)
        .sum();
    // The memory that guests will still take, because they have not touched all of theirs or are on the other host.
    let to_come = profile.guests_memory().saturating_sub(guests);
    let own = host.entry.memory.saturating_sub(seen.resident_bytes());
    Bytes(own.min(seen.memory_available).saturating_sub(to_come))
}
