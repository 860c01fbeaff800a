//! What one process of a run leaves for the next one, in a file.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Attempt, Result};

/// One kind of what is left, in words.
pub struct Handover {
    /// What is written down: `how far logs are read`.
    pub what: &'static str,
    /// What follows if the file is removed.
    pub without: &'static str,
}

impl Handover {
    /// Writes it down.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn leave(&self, path: &Path, left: &impl Serialize) -> Result<()> {
        let attempted = || format!("write down in {} {}", path.display(), self.what);
        let text = serde_json::to_string(left).attempting(attempted)?;
        // A process that is killed here leaves the old file.
        let part = path.with_extension("part");
        fs::write(&part, text).and_then(|()| fs::rename(&part, path)).attempting(attempted)
    }

    /// What another process has written down, if it has.
    ///
    /// # Errors
    ///
    /// A file that is there and cannot be read.
    pub fn take_on<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>> {
        if !path.exists() {
            return Ok(None);
        }
        let attempted = || format!("read {}", path.display());
        let text = fs::read_to_string(path).attempting(attempted)?;
        let left = serde_json::from_str(&text).attempting(attempted).map(Some);
        left.map_err(|failure| failure.try_next(format!("remove that file: {}", self.without)))
    }
}
