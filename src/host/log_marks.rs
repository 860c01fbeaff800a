//! How far logs were read.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::failure::{Attempt, Result};
use crate::sys::parallel::locked;

/// The end of every log at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMarks {
    /// The length of each file, by its machine and its path.
    pub(super) files: HashMap<String, HashMap<String, u64>>,
    /// The place in the journal of each machine that has one, by the machine.
    pub(super) journals: HashMap<String, String>,
}

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
        let attempted = || format!("write down in {} how far logs are read", path.display());
        let Some(read) = locked(&READ).clone() else { return Ok(()) };
        let text = serde_json::to_string(&read).attempting(attempted)?;
        // A process that is killed here leaves the old file.
        let part = path.with_extension("part");
        fs::write(&part, text).and_then(|()| fs::rename(&part, path)).attempting(attempted)
    }

    /// Where another process stopped reading, if it has written that down.
    ///
    /// # Errors
    ///
    /// A file that is there and cannot be read.
    pub fn load(path: &Path) -> Result<Option<LogMarks>> {
        if !path.exists() {
            return Ok(None);
        }
        let attempted = || format!("read {}", path.display());
        let text = fs::read_to_string(path).attempting(attempted)?;
        let saved = serde_json::from_str(&text).attempting(attempted);
        saved.map(Some).map_err(|failure| {
            failure.try_next("remove that file: logs are then read from their present end")
        })
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
