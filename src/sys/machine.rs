//! What this machine has.

use procfs::{Current, Meminfo};

/// CPUs of this machine, hundredths of a CPU.
pub fn cpu_percent() -> u32 {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32 * 100
}

/// Memory of this machine, bytes; none where `/proc/meminfo` cannot be read.
pub fn memory() -> Option<u64> {
    Meminfo::current().ok().map(|memory| memory.mem_total)
}

/// Memory that new programs can get without swapping, bytes (`MemAvailable`); none where `/proc/meminfo` cannot be read.
pub fn memory_available() -> Option<u64> {
    Meminfo::current().ok()?.mem_available
}
