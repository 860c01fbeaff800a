//! What earlier commands left on this machine, and who is at work on it.

use super::Finding;
use crate::ledger::state_directory;
use crate::stand::{State, Status, summary};

/// Looks at the ledger and at the lock.
pub fn examine() -> Vec<Finding> {
    let status = match Status::look(&state_directory()) {
        Ok(status) => status,
        Err(failure) => {
            return vec![Finding::warn(
                "ledger",
                failure.cause.text,
                "run the doctor as root: sudo multivm doctor",
            )];
        }
    };
    let things = summary(&status.things);
    let ledger = match status.state() {
        State::Nothing => Finding::good("ledger", "nothing is left of earlier runs"),
        State::Up => Finding::good("ledger", format!("a lab is up on purpose: {things}")),
        State::Busy if things.is_empty() => Finding::good("ledger", "nothing is left of earlier runs"),
        State::Busy => Finding::good("ledger", format!("of the run that is under way: {things}")),
        State::Left => Finding::warn(
            "ledger",
            format!("left by a run that was killed: {things}"),
            "nothing to do: the next run clears it; `multivm reap` does so now",
        ),
    };
    let lock = match status.holder {
        None => Finding::good("lock", "free"),
        Some(holder) => Finding::warn(
            "lock",
            format!("held by {holder}"),
            "wait until it has ended: one run at a time on a machine",
        ),
    };
    vec![ledger, lock]
}
