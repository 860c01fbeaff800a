//! The load was real: it is alive after the move, and it used CPU time since the last look.

use super::Proof;
use crate::guest::Observation;
use crate::load::Load;

const CHECK: &str = "load";

/// Compares the load before a move with itself after it.
pub fn check(load: &Load, before: &Observation, after: &Observation) -> Proof {
    let seconds = |ticks: u64| ticks as f64 / 100.0;
    let used = load.ticks(before).unwrap_or(0);
    let expected = format!("`{}` alive, with more than {:.2} s of CPU time", load.command, seconds(used));
    match load.ticks(after) {
        None => Proof::new(CHECK, false, expected, "no process of it is left").try_next(
            "look for an out-of-memory kill in the guest's kernel log, and at /tmp/multivm-load.log in the guest",
        ),
        Some(now) => {
            let seen = format!("{} processes, {:.2} s of CPU time", after.group(load.group).len(), seconds(now));
            let proof = Proof::new(CHECK, now > used, expected, seen);
            if now > used { proof } else { proof.try_next("the load did nothing: was it stopped?") }
        }
    }
}
