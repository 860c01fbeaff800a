//! How far the kernel logs of machines have been read: a new connection to a machine reads on where the last one stopped, so
//! that no line falls between the two.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use multivm_protocol::KernelLine;
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

impl LogPosition {
    /// The number of lines that the kernel had overwritten before `read`, the next ones, were read. Of a log that nobody had read before,
    /// no line is missed.
    pub fn lost_before(&self, read: &[KernelLine]) -> u64 {
        let is_first = self.next == 0;
        let mut next = self.next;
        let missed =
            |line: &KernelLine| line.sequence.saturating_sub(std::mem::replace(&mut next, line.sequence + 1));
        if is_first { 0 } else { read.iter().map(missed).sum() }
    }
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
    fn lines_are_lost_where_a_log_that_was_read_goes_on_with_a_hole() {
        let line =
            |sequence| KernelLine { facility: 0, level: 6, sequence, time_s: 1.0, text: String::new() };
        let lost = |next, read: &[u64]| {
            position("a", next).lost_before(&read.iter().copied().map(line).collect::<Vec<_>>())
        };
        assert_eq!(lost(7, &[7, 8, 9]), 0);
        assert_eq!(lost(7, &[]), 0);
        assert_eq!(lost(7, &[100, 101, 104]), 95);
        assert_eq!(lost(0, &[100, 101]), 0, "the kernel overwrote them before anybody read");
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
