//! How far logs were read.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::sys::handover::Handover;
use crate::sys::parallel::locked;

/// The end of every log at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMarks {
    /// The length of each file, by its machine and its path.
    pub(super) files: HashMap<String, HashMap<String, u64>>,
    /// The place in the journal of each machine that has one, by the machine.
    pub(super) journals: HashMap<String, String>,
}

const LOGS: Handover =
    Handover { what: "how far logs are read", without: "logs are then read from their present end" };

/// How far this process has read.
static READ: Mutex<Option<LogMarks>> = Mutex::new(None);

impl LogMarks {
    /// Notes that everything before these marks has been read, for the process after this one.
    pub fn note(&self) {
        *locked(&READ) = Some(self.clone());
    }

    /// Writes down how far this process has read, if it has.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(path: &Path) -> Result<()> {
        locked(&READ).as_ref().map_or(Ok(()), |read| LOGS.leave(path, read))
    }

    /// Where another process stopped reading, if it has written that down.
    ///
    /// # Errors
    ///
    /// A file that is there and cannot be read.
    pub fn load(path: &Path) -> Result<Option<LogMarks>> {
        LOGS.take_on(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_process_reads_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks.json");
        assert_eq!(LogMarks::load(&path).unwrap(), None);
        let files = HashMap::from([("source".to_owned(), HashMap::from([("/a b".to_owned(), 7)]))]);
        let marks = LogMarks { files, journals: [("target".to_owned(), "s=1".to_owned())].into() };
        marks.note();
        LogMarks::save(&path).unwrap();
        assert_eq!(LogMarks::load(&path).unwrap(), Some(marks));
    }
}
