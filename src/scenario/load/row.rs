//! What a load has in its row: its size in a guest and on a host, and the signs that it is at work.

use super::Tool;
use crate::scenario::{Bytes, Profile};

/// A load: its row in the table.
pub struct LoadRow {
    /// The load's name if only guests carry it.
    pub name: &'static str,
    /// The load's names if a host carries it, by the share of that host.
    pub on_hosts: &'static [(HostShare, &'static str)],
    /// The program that makes the load.
    pub tool: &'static Tool,
    /// The kind of resource that the load consumes.
    pub kind: &'static LoadKind,
    /// The program's arguments for a load of a given size.
    pub(super) arguments: fn(&LoadSize) -> Vec<String>,
}

/// The common part of all loads that consume one resource, whatever program makes them.
pub struct LoadKind {
    /// The load of one guest.
    pub in_guest: fn(&Profile) -> LoadSize,
    /// Text to append to a guest's command line, with the part of the size that the line does not tell; empty if there is
    /// none.
    pub guest_text: fn(&Profile) -> String,
    /// The load of a host with a given room.
    pub on_host: fn(HostShare, &Room) -> LoadSize,
    /// The size of a host's load, as the end of the sentence `The load is ...`.
    pub host_text: fn(HostShare) -> &'static str,
    /// The basis of the size's computation, for the record.
    pub basis: fn(&Room) -> String,
}

impl LoadKind {
    /// Memory that the load takes in one guest.
    pub fn memory_in_guest(&self, profile: &Profile) -> Bytes {
        let size = (self.in_guest)(profile);
        if size.signs.resident > Bytes(0) { size.total() } else { Bytes(0) }
    }
}

/// A load's share of a host, measured against what the guests leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostShare {
    /// Half of what the guests leave.
    Half,
    /// More than there is.
    Short,
}

/// The resources of a host for a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// CPU time in hundredths of a CPU.
    pub cpu_percent: u32,
    /// Memory that the host's guests and daemons leave.
    pub memory_left: Bytes,
}

impl Room {
    /// The number of whole CPUs, at least one.
    pub(super) fn cpus(&self) -> u32 {
        (self.cpu_percent / 100).max(1)
    }
}

/// The size of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadSize {
    pub workers: u32,
    /// Bytes of the resource for each worker; 0 for a resource without bytes.
    pub each: Bytes,
    pub signs: Signs,
}

impl LoadSize {
    /// Bytes of all workers together.
    pub fn total(&self) -> Bytes {
        total(self.workers, self.each)
    }
}

/// Bytes of a number of workers together.
pub(super) fn total(workers: u32, each: Bytes) -> Bytes {
    Bytes(each.0.saturating_mul(u64::from(workers)))
}

/// Signs that a load is at work, besides processes that live and use CPU time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// Resident memory of all its processes together, from which the load counts as started.
    pub resident: Bytes,
    /// The load asks for more memory than there is on purpose: the kernel kills its workers, and the run starts it again.
    pub comes_and_goes: bool,
    /// The load writes files, and its writes reach the disk.
    pub writes: bool,
}

/// Options and their values as words.
pub(super) fn words<const N: usize>(options: [(&str, String); N]) -> Vec<String> {
    options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
}
