//! The CPUs and the memory of this machine. In a container with a limit of its own, the limit counts.

use std::fs;

use procfs::{Current, Meminfo};

/// The files of a container's memory limit, by versions 2 and 1 of control groups. A machine's root group has no such file,
/// or a value that is no limit.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// CPUs of this machine, hundredths of a CPU.
pub fn cpu_percent() -> u32 {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32 * 100
}

/// Memory of this machine, bytes; none where `/proc/meminfo` cannot be read.
pub fn memory() -> Option<u64> {
    Meminfo::current().ok().map(|memory| limited(memory.mem_total))
}

/// Memory that new programs can get without swapping, bytes (`MemAvailable`); none where `/proc/meminfo` cannot be read.
pub fn memory_available() -> Option<u64> {
    Meminfo::current().ok()?.mem_available.map(limited)
}

fn limited(bytes: u64) -> u64 {
    let limits = LIMITS.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    limits.fold(bytes, u64::min)
}
