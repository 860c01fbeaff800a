//! How far the kernel logs of machines have been read: a new connection to a machine reads on where the last one stopped, so
//! that no line falls between the two.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::sys::handover::Handover;
use crate::sys::parallel::locked;

/// How far the kernel log of one boot has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogPosition {
    pub boot_id: String,
    /// Sequence number of the first line that is not read.
    pub next: u64,
}

const LOGS: Handover = Handover {
    what: "how far kernel logs are read",
    without: "kernel logs are then read from their present end",
};

type Positions = BTreeMap<String, LogPosition>;

/// The positions of this process, by the machines' names.
static READ: Mutex<Positions> = Mutex::new(Positions::new());

/// Where the reading of a machine's log stopped, if this process or the one before it has read it.
pub(super) fn of(machine: &str) -> Option<LogPosition> {
    locked(&READ).get(machine).cloned()
}

/// Notes how far a machine's log has been read.
pub(super) fn note(machine: &str, position: &LogPosition) {
    advance(&mut locked(&READ), machine, position);
}

/// A look that was given up may come late: in one boot nobody goes back.
fn advance(positions: &mut Positions, machine: &str, position: &LogPosition) {
    let is_behind = |known: &LogPosition| known.boot_id == position.boot_id && known.next > position.next;
    if !positions.get(machine).is_some_and(is_behind) {
        positions.insert(machine.to_owned(), position.clone());
    }
}

/// Writes down how far this process has read, for the process after it.
///
/// # Errors
///
/// The file cannot be written.
pub fn save_log_positions(path: &Path) -> Result<()> {
    LOGS.leave(path, &*locked(&READ))
}

/// Goes on where another process stopped reading, if it has written that down.
///
/// # Errors
///
/// A log that is there and cannot be read.
pub fn load_log_positions(path: &Path) -> Result<()> {
    let saved: Option<Positions> = LOGS.take_on(path)?;
    saved.iter().flatten().for_each(|(machine, position)| note(machine, position));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(boot_id: &str, next: u64) -> LogPosition {
        LogPosition { boot_id: boot_id.into(), next }
    }

    #[test]
    fn within_a_boot_nobody_goes_back() {
        let mut positions = Positions::new();
        let mut noted = |boot_id, next| {
            advance(&mut positions, "h", &position(boot_id, next));
            positions["h"].clone()
        };
        assert_eq!(noted("a", 7), position("a", 7));
        assert_eq!(noted("a", 5), position("a", 7));
        assert_eq!(noted("b", 5), position("b", 5));
    }

    #[test]
    fn the_next_process_reads_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("positions.json");
        load_log_positions(&path).unwrap();
        note("a host of this test", &position("a", 7));
        save_log_positions(&path).unwrap();
        note("a host of this test", &position("b", 1));
        load_log_positions(&path).unwrap();
        assert_eq!(of("a host of this test"), Some(position("a", 7)));
    }
}
