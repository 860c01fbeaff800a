//! Our own program inside guests, `fixtures/guest/agent`: built statically by the build script, part of this binary.

use std::time::Duration;

use crate::failure::Done;
use crate::host::{Dialogue, Remote};
use crate::scenario::Bytes;

/// Where it lies in a guest: in memory on most systems, and gone with the next boot.
pub const PATH: &str = "/run/multivm-guest";

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/multivm-guest"));

/// All of the floor is written once in this time, milliseconds: faster than it can be sent. Not faster still: under
/// TCG every first write to a page after a look at the dirty bitmap takes the slow path.
const FLOOR_INTERVAL_MS: u32 = 200;

/// Copies it into a guest. Under another name first: a copy that was cut off is never run.
pub fn install(guest: &Remote, limit: Duration) -> Done<()> {
    let script = format!("cat > {PATH}.part && chmod 755 {PATH}.part && mv {PATH}.part {PATH}");
    guest.check_with_input(&script, PROGRAM, limit).map(drop)
}

/// Starts it to answer questions; copies it first if the guest does not have it, as after a reboot.
pub fn open(guest: &Remote, limit: Duration) -> Done<Dialogue> {
    if guest.run(&format!("test -x {PATH}"), limit)?.status != 0 {
        install(guest, limit)?;
    }
    Dialogue::open(guest, &format!("exec {PATH} serve"), limit)
}

/// The command that keeps memory dirty.
pub fn dirty(memory: Bytes) -> Vec<String> {
    [PATH.to_owned(), "dirty".to_owned(), (memory.0 >> 20).to_string(), FLOOR_INTERVAL_MS.to_string()].into()
}
