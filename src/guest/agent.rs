//! Our own program inside guests, `fixtures/guest/agent`: built statically by the build script, part of this binary.

use std::time::Duration;

use crate::failure::Done;
use crate::host::Remote;

/// Where it lies in a guest: in memory on most systems, and gone with the next boot.
pub const PATH: &str = "/run/multivm-guest";

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/multivm-guest"));

/// Memory that a guest keeps dirtying so that a post-copy migration has something left after its first pass, MiB,
/// and the time in which all of it is written once, milliseconds.
///
/// The switch is ordered on the event that ends the first pass; a guest that dirties little would be done with its
/// next passes before the order arrives, and the migration would be a pre-copy one. 16 MiB in 50 ms is more than any
/// lab's network carries, at a few percent of a CPU.
const FLOOR: (u32, u32) = (16, 50);

/// Copies it into a guest. Under another name first: a copy that was cut off is never run.
pub fn install(guest: &Remote, limit: Duration) -> Done<()> {
    let script = format!("cat > {PATH}.part && chmod 755 {PATH}.part && mv {PATH}.part {PATH}");
    guest.check_with_input(&script, PROGRAM, limit).map(drop)
}

/// The command that keeps memory dirty.
pub fn dirty_floor() -> Vec<String> {
    [PATH.to_owned(), "dirty".to_owned(), FLOOR.0.to_string(), FLOOR.1.to_string()].into()
}
