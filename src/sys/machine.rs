//! What this machine has.

/// CPUs of this machine, hundredths of a CPU.
pub fn cpu_percent() -> u32 {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32 * 100
}

/// Memory of this machine, bytes; none where `/proc/meminfo` cannot be read.
pub fn memory() -> Option<u64> {
    meminfo("MemTotal")
}

/// Memory that new programs can get without swapping, bytes (`MemAvailable`); none where `/proc/meminfo` cannot be read.
pub fn memory_available() -> Option<u64> {
    meminfo("MemAvailable")
}

/// A field of `/proc/meminfo`, bytes.
fn meminfo(name: &str) -> Option<u64> {
    field(&std::fs::read_to_string("/proc/meminfo").ok()?, name)
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| {
            line.strip_prefix(name)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        })
        .map(|kib| kib * 1024)
}
