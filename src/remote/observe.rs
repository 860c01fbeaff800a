//! An observation of a host or a guest: everything that the checks need, in one answer of our program there.

use std::time::Instant;

use multivm_protocol as protocol;
pub use multivm_protocol::{DeviceMount, KernelLine};

/// A machine at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// `/proc/sys/kernel/random/boot_id`: a new one with every boot.
    pub boot_id: String,
    /// Seconds since boot, by its boot clock.
    pub uptime_s: f64,
    /// Seconds since 1970, by its realtime clock.
    pub realtime_s: f64,
    /// The processes of user space.
    pub processes: Vec<ObservedProcess>,
    /// `MemAvailable` of `/proc/meminfo`, bytes.
    pub memory_available: u64,
    /// The mounts of file systems that block devices have.
    pub mounts: Vec<DeviceMount>,
    /// The lines of the kernel log that no earlier observation had.
    pub kernel_log: Vec<KernelLine>,
    /// Why the kernel log could not be read.
    pub kernel_log_error: Option<String>,
    /// How many lines the kernel had overwritten between the earlier observations and this one.
    pub lost_lines: u64,
    /// Whether these are all lines: this boot had no earlier observation.
    pub whole_log: bool,
    /// When the answer arrived, by this machine's clock.
    pub at: Instant,
}

#[cfg(test)]
impl Observation {
    /// A machine with nothing on it, up for as long as this machine's clock says.
    pub fn in_a_test(boot_id: &str, at: Instant) -> Observation {
        Observation {
            boot_id: boot_id.into(),
            uptime_s: 100.0,
            realtime_s: 0.0,
            processes: Vec::new(),
            memory_available: 0,
            mounts: Vec::new(),
            kernel_log: Vec::new(),
            kernel_log_error: None,
            lost_lines: 0,
            whole_log: false,
            at,
        }
    }
}

/// A process at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedProcess {
    pub pid: i32,
    pub name: String,
    /// One letter: R running, S sleeping, T stopped, Z zombie, ...
    pub state: char,
    pub group: i32,
    /// User and system time in clock ticks (1/100 s), including that of ended children.
    pub ticks: u64,
    /// The process's resident memory.
    pub resident_bytes: u64,
    /// Bytes that the process and its ended children sent to disks. None if multivm did not look, or the kernel does not
    /// count.
    pub written_bytes: Option<u64>,
}

impl Observation {
    /// An answer that has just come.
    pub(super) fn new(seen: protocol::Observed) -> Observation {
        let page = seen.memory.page;
        Observation {
            boot_id: seen.boot_id,
            uptime_s: seen.uptime_s,
            realtime_s: seen.realtime_s,
            processes: seen
                .processes
                .into_iter()
                .map(|process| ObservedProcess::new(process, page))
                .collect(),
            memory_available: seen.memory.available,
            mounts: seen.mounts,
            kernel_log: seen.kernel_log,
            kernel_log_error: seen.kernel_log_error,
            lost_lines: 0,
            whole_log: false,
            at: Instant::now(),
        }
    }

    /// The resident memory of all processes in bytes. A shared page counts once for each of them.
    pub fn resident_bytes(&self) -> u64 {
        self.processes.iter().map(|process| process.resident_bytes).sum()
    }
}

impl ObservedProcess {
    /// A process of a machine whose pages have so many bytes.
    pub(super) fn new(seen: protocol::Process, page: u64) -> ObservedProcess {
        ObservedProcess {
            pid: seen.pid,
            name: seen.name,
            state: seen.state,
            group: seen.group,
            ticks: seen.ticks,
            resident_bytes: seen.resident_pages * page,
            written_bytes: seen.written,
        }
    }

    /// Whether the process has not ended. An ended process stays in the list until its parent has reaped it.
    pub fn is_alive(&self) -> bool {
        self.state != 'Z' && self.state != 'X'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_counted_in_the_machines_own_pages() {
        let text = "0b0e6f38\n12.34 10.00\n1763889600.250000\n\
                    1 (init) S 0 1 1 0 -1 4194560 80 0 0 0 3 4 0 0 20 0 1 0 5 2600960 2 1 0\n\
                    9 (gone) Z 1 1 1 0 -1 4194560 80 0 0 0 3 4 0 0 20 0 1 0 5 2600960 1 1 0\n\
                    multivm-memory 268435456 201326592 65536\nmultivm-kernel-log\n";
        let seen = Observation::new(text.parse().unwrap());
        assert_eq!((seen.processes[0].resident_bytes, seen.resident_bytes()), (131_072, 196_608));
        assert_eq!((seen.processes[0].is_alive(), seen.processes[1].is_alive()), (true, false));
        assert!(!seen.whole_log && seen.memory_available == 192 << 20);
    }
}
