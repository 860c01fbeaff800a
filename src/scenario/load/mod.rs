//! The loads: the program that makes each, its size in a guest and on a host, and the signs that it is at work. Each kind
//! of load is a file, with a row for every program that can make it.

mod cpu;
mod io;
mod memory;
mod tool;

pub use tool::Tool;

use super::{Bytes, Profile};
use crate::axis::table;

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
    arguments: fn(&LoadSize) -> Vec<String>,
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
    fn cpus(&self) -> u32 {
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
    fn total(&self) -> Bytes {
        total(self.workers, self.each)
    }
}

/// Bytes of a number of workers together.
fn total(workers: u32, each: Bytes) -> Bytes {
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

table! {
    /// A load: a program and the resource that it consumes.
    Load, LoadRow {
        StressCpu => cpu::STRESS,
        StressMemory => memory::STRESS,
        StressNgCpu => cpu::STRESS_NG,
        StressNgMemory => memory::STRESS_NG,
        StressIo => io::STRESS,
        StressNgIo => io::STRESS_NG,
    }
}

impl Load {
    /// The command line, program first, that makes a load of a given size.
    ///
    /// The command has no `--timeout`: the load ends when the run ends it, so a slow migration is never left without load.
    pub fn command(self, size: &LoadSize) -> Vec<String> {
        let row = self.row();
        std::iter::once(row.tool.program.to_owned()).chain((row.arguments)(size)).collect()
    }

    /// The programs of all loads, each once.
    pub fn programs() -> Vec<&'static str> {
        let mut programs: Vec<&str> = Load::ALL.iter().map(|load| load.row().tool.program).collect();
        programs.sort_unstable();
        programs.dedup();
        programs
    }
}

/// Options and their values as words.
fn words<const N: usize>(options: [(&str, String); N]) -> Vec<String> {
    options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Load::StressCpu, HostShare::Half, 200, "stress --cpu 1")]
    #[case(Load::StressCpu, HostShare::Half, 1600, "stress --cpu 8")]
    #[case(Load::StressCpu, HostShare::Half, 50, "stress --cpu 1")]
    #[case(Load::StressCpu, HostShare::Short, 200, "stress --cpu 3")]
    #[case(Load::StressCpu, HostShare::Short, 50, "stress --cpu 2")]
    #[case(Load::StressNgCpu, HostShare::Half, 400, "stress-ng --cpu 2")]
    #[case(Load::StressMemory, HostShare::Half, 200, "stress --vm 2 --vm-bytes 256M --vm-keep")]
    #[case(Load::StressMemory, HostShare::Short, 200, "stress --vm 2 --vm-bytes 640M --vm-keep")]
    #[case(Load::StressNgMemory, HostShare::Half, 200, "stress-ng --vm 2 --vm-bytes 512M --vm-keep")]
    #[case(Load::StressIo, HostShare::Half, 400, "stress --hdd 2 --hdd-bytes 256M")]
    #[case(Load::StressIo, HostShare::Half, 50, "stress --hdd 1 --hdd-bytes 256M")]
    #[case(Load::StressNgIo, HostShare::Half, 400, "stress-ng --hdd 2 --hdd-bytes 512M --hdd-write-size 1M")]
    fn a_hosts_load_is_a_share_of_what_it_has_left(
        #[case] load: Load,
        #[case] share: HostShare,
        #[case] cpu_percent: u32,
        #[case] command: &str,
    ) {
        let room = Room { cpu_percent, memory_left: Bytes(1 << 30) };
        let size = (load.row().kind.on_host)(share, &room);
        assert_eq!(load.command(&size).join(" "), command);
    }

    /// Without this test, a load whose program is missing from the images would fail in its first scenario.
    #[test]
    fn the_package_of_every_program_is_in_the_images_of_guests_and_hosts() {
        let guest = include_str!("../../../fixtures/guest/packages.txt");
        let host = include_str!("../../../fixtures/host/packages.txt");
        for load in Load::ALL {
            let package = load.row().tool.package;
            for (image, packages) in [("guest", guest), ("host", host)] {
                assert!(packages.lines().any(|line| line == package), "{package} is not in {image}");
            }
        }
    }

    #[test]
    fn every_row_says_what_it_is() {
        let names: BTreeSet<&str> = Load::ALL.iter().map(|load| load.row().name).collect();
        assert_eq!(names.len(), Load::ALL.len());
        for load in Load::ALL {
            let row = load.row();
            assert!(!row.on_hosts.is_empty(), "{}", row.name);
            for (share, name) in row.on_hosts {
                assert!(name.starts_with(row.name), "{name} is the share of a host that {} takes", row.name);
                assert!(!(row.kind.host_text)(*share).is_empty(), "{name}");
            }
        }
    }

    #[test]
    fn each_program_is_named_once() {
        assert_eq!(Load::programs(), ["stress", "stress-ng"]);
    }
}
