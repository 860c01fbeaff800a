//! The loads: the program that makes each, its size in a guest and on a host, and the signs that it is at work. Each kind
//! of load is a file, with a row for every program that can make it.

mod cpu;
mod io;
mod memory;
mod row;
mod tool;

use row::LoadRow;
pub use row::{HostShare, LoadSize, Room, Signs};
pub use tool::Tool;

use crate::axis::table;

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
    pub fn tools() -> Vec<&'static Tool> {
        let mut tools: Vec<&Tool> = Load::ALL.iter().map(|load| load.row().tool).collect();
        tools.sort_unstable_by_key(|tool| tool.program);
        tools.dedup();
        tools
    }

    /// The names of the programs of all loads, each once.
    pub fn programs() -> Vec<&'static str> {
        Load::tools().iter().map(|tool| tool.program).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;
    use crate::scenario::Bytes;

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
