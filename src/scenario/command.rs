//! The command lines of the stress tools in a guest.

use super::{Bytes, Kind, Profile, Tool};

/// The command line, program first, that makes the load of one guest.
///
/// No `--timeout`: the load ends when the run ends it, so a slow migration is never left without load.
pub fn guest_load_command(tool: Tool, kind: Kind, profile: &Profile) -> Vec<String> {
    let mut command = vec![tool.program().to_owned()];
    match kind {
        Kind::Cpu => command.extend(["--cpu".to_owned(), profile.cpu_workers.to_string()]),
        Kind::Memory => command.extend([
            "--vm".to_owned(),
            profile.memory_workers.to_string(),
            "--vm-bytes".to_owned(),
            vm_bytes(tool, profile).for_stress(),
            "--vm-keep".to_owned(),
        ]),
    }
    command
}

/// The argument of `--vm-bytes` that gives every worker [`Profile::memory_bytes`].
///
/// `stress` takes it per worker. `stress-ng` documents the same, but its `stress-vm.c` divides the value by the number of
/// workers, so it is given the sum: with the plain value the two tools' scenarios would differ by that factor.
fn vm_bytes(tool: Tool, profile: &Profile) -> Bytes {
    match tool {
        Tool::Stress => profile.memory_bytes,
        Tool::StressNg => Bytes(profile.memory_bytes.0.saturating_mul(u64::from(profile.memory_workers))),
    }
}
