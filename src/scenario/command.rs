//! The command lines of the stress tools.

use super::{Bytes, HostShare, Kind, Profile, Tool};

/// How large a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadSize {
    pub workers: u32,
    /// Memory that each worker keeps dirtying; only of a memory load.
    pub memory: Bytes,
}

impl LoadSize {
    /// The load of one guest.
    pub fn of_guest(kind: Kind, profile: &Profile) -> LoadSize {
        let workers = match kind {
            Kind::Cpu => profile.cpu_workers,
            Kind::Memory => profile.memory_workers,
        };
        LoadSize { workers, memory: profile.memory_bytes }
    }

    /// The load of a host with `cpu_percent` hundredths of a CPU, whose guests and daemons leave `memory_left`.
    ///
    /// Half: half of its CPUs, at least one; half of the memory that is left. Short: half as many workers again as it
    /// has CPUs, at least one more; a quarter more memory than is left. All workers together, in both tools.
    pub fn of_host(kind: Kind, share: HostShare, cpu_percent: u32, memory_left: Bytes) -> LoadSize {
        let cpus = (cpu_percent / 100).max(1);
        match (kind, share) {
            (Kind::Cpu, HostShare::Half) => LoadSize { workers: (cpus / 2).max(1), memory: Bytes(0) },
            (Kind::Cpu, HostShare::Short) => {
                LoadSize { workers: (cpus * 3).div_ceil(2).max(cpus + 1), memory: Bytes(0) }
            }
            (Kind::Memory, share) => {
                let total = match share {
                    HostShare::Half => memory_left.0 / 2,
                    HostShare::Short => memory_left.0 / 4 * 5,
                };
                // Whole pages, and never nothing: both tools refuse that.
                let each = ((total / u64::from(cpus)) & !4095).max(1 << 20);
                LoadSize { workers: cpus, memory: Bytes(each) }
            }
        }
    }

    /// Memory of all workers together.
    pub fn total(&self) -> Bytes {
        Bytes(self.memory.0.saturating_mul(u64::from(self.workers)))
    }
}

/// The command line, program first, that makes a load.
///
/// No `--timeout`: the load ends when the run ends it, so a slow migration is never left without load.
pub fn load_command(tool: Tool, kind: Kind, size: LoadSize) -> Vec<String> {
    let mut command = vec![tool.program().to_owned()];
    match kind {
        Kind::Cpu => command.extend(["--cpu".to_owned(), size.workers.to_string()]),
        Kind::Memory => {
            // `stress` takes it per worker. `stress-ng` documents the same, but its `stress-vm.c` divides the value by
            // the number of workers, so it is given the sum: with the plain value the two tools' scenarios would
            // differ by that factor.
            let bytes = match tool {
                Tool::Stress => size.memory,
                Tool::StressNg => size.total(),
            };
            command.extend([
                "--vm".to_owned(),
                size.workers.to_string(),
                "--vm-bytes".to_owned(),
                bytes.for_stress(),
                "--vm-keep".to_owned(),
            ]);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Kind::Cpu, HostShare::Half, 200, "stress --cpu 1")]
    #[case(Kind::Cpu, HostShare::Half, 1600, "stress --cpu 8")]
    #[case(Kind::Cpu, HostShare::Half, 50, "stress --cpu 1")]
    #[case(Kind::Cpu, HostShare::Short, 200, "stress --cpu 3")]
    #[case(Kind::Cpu, HostShare::Short, 50, "stress --cpu 2")]
    #[case(Kind::Memory, HostShare::Half, 200, "stress --vm 2 --vm-bytes 256M --vm-keep")]
    #[case(Kind::Memory, HostShare::Short, 200, "stress --vm 2 --vm-bytes 640M --vm-keep")]
    fn a_hosts_load_is_a_share_of_what_it_has_left(
        #[case] kind: Kind,
        #[case] share: HostShare,
        #[case] cpu_percent: u32,
        #[case] command: &str,
    ) {
        let size = LoadSize::of_host(kind, share, cpu_percent, Bytes(1 << 30));
        assert_eq!(load_command(Tool::Stress, kind, size).join(" "), command);
    }
}
