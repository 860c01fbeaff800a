//! What the check says of itself.

use super::{cpu, disk, memory};
use crate::check::{About, Moment};

pub static ABOUT: About = About {
    id: "speed",
    summary: "as fast as before",
    how: "by our program in the guest, on the host at which it has arrived, against before its first move: CPU time, memory written at its \
          best and synced writes to its disk are not slower by more than `max_slowdown` times; and how long it took until they were not. A \
          stay of 2 s is judged alone, shorter ones of all guests at one host together, with the migration away from it where they hardly rest; \
          what stays too short is said",
    asked: &[Moment::End],
    advice: &[cpu::ADVICE, memory::ADVICE, disk::ADVICE],
    goes_on: true,
    ..About::BASE
};
