//! Finds what earlier commands left on this machine, and who is at work on it.

use super::Diagnosis;
use crate::ledger::state_directory;
use crate::stand::{Occupancy, Status, summary};

/// Checks the ledger and the lock.
pub fn examine() -> Vec<Diagnosis> {
    let status = match Status::look(&state_directory()) {
        Ok(status) => status,
        Err(failure) => {
            return vec![Diagnosis::warn(
                "ledger",
                failure.cause.text,
                "run the doctor as root: sudo multivm doctor",
            )];
        }
    };
    let things = summary(&status.things);
    let ledger = match status.state() {
        Occupancy::Nothing => Diagnosis::good("ledger", "nothing is left of earlier runs"),
        Occupancy::Up => Diagnosis::good("ledger", format!("a lab is up on purpose: {things}")),
        Occupancy::Busy if things.is_empty() => Diagnosis::good("ledger", "nothing is left of earlier runs"),
        Occupancy::Busy => Diagnosis::good("ledger", format!("of the run that is under way: {things}")),
        Occupancy::Left => Diagnosis::warn(
            "ledger",
            format!("left by a run that was killed: {things}"),
            "nothing to do: the next run clears it; `multivm reap` does so now",
        ),
    };
    let lock = match status.holder {
        None => Diagnosis::good("lock", "free"),
        Some(holder) => Diagnosis::warn(
            "lock",
            format!("held by {holder}"),
            "wait until it has ended: one run at a time on a machine",
        ),
    };
    vec![ledger, lock]
}
