//! How far logs are read, in a file that one process of a run leaves for the next one.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Attempt, Result};

/// Writes down how far `logs` are read.
///
/// # Errors
///
/// The file cannot be written.
pub fn leave(path: &Path, logs: &str, read: &impl Serialize) -> Result<()> {
    let attempted = || format!("write down in {} how far {logs} are read", path.display());
    let text = serde_json::to_string(read).attempting(attempted)?;
    // A process that is killed here leaves the old file.
    let part = path.with_extension("part");
    fs::write(&part, text).and_then(|()| fs::rename(&part, path)).attempting(attempted)
}

/// How far another process has read `logs`, if it has written that down.
///
/// # Errors
///
/// A file that is there and cannot be read.
pub fn take_on<T: DeserializeOwned>(path: &Path, logs: &str) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let attempted = || format!("read {}", path.display());
    let text = fs::read_to_string(path).attempting(attempted)?;
    serde_json::from_str(&text).attempting(attempted).map(Some).map_err(|failure| {
        failure.try_next(format!("remove that file: {logs} are then read from their present end"))
    })
}
