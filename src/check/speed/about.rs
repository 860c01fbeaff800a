//! What the check says of itself.

use super::{cpu, disk, memory};
use crate::check::{About, Advice, Moment, stays};

/// What to look at when a disk stood still, which is no slowdown.
pub const STANDS_STILL: Advice = Advice::new(
    "a guest's disk stood still where it had arrived",
    "did the storage's server hang, or the way to it from that host? The storage's log and QEMU's log of that host are in the evidence. \
     MULTIVM_MAX_RECOVERY sets the limit",
);

pub static ABOUT: About = About {
    id: "speed",
    summary: "as fast as before",
    how: "by our program in the guest, on the host at which it has arrived, against before its first move: CPU time, memory written at its \
          best, and its disk's reads and synced writes past the page cache, of 4 KiB and now and then of 64 KiB each, are not slower by \
          more than `max_slowdown` times, nor are CPU time and memory in any `max_recovery` alone, time in which others \
          kept all CPUs of the host busy aside; its disk completes a read and a synced \
          write at least every `max_recovery`, want of CPU and a busy disk of the storage aside; and how long it took until all was so. \
          A stay of 2 s is judged alone, shorter ones of all guests at one host together, with the migration away from it where they \
          hardly rest; what stays too short is said",
    asked: &[Moment::End],
    only: Some(stays::ONLY),
    advice: &[cpu::ADVICE, memory::ADVICE, disk::ADVICE, STANDS_STILL],
    goes_on: true,
    ..About::BASE
};
