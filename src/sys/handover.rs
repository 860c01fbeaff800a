//! What one process of a run knows and the next one needs, such as how far logs are read: a file hands it over.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Attempt, Result};

/// Writes down what `what` names, as in "how far logs are read".
///
/// # Errors
///
/// The file cannot be written.
pub fn leave(path: &Path, what: &str, known: &impl Serialize) -> Result<()> {
    let attempted = || format!("write down in {} {what}", path.display());
    let text = serde_json::to_string(known).attempting(attempted)?;
    // A process that is killed here leaves the old file.
    let part = path.with_extension("part");
    fs::write(&part, text).and_then(|()| fs::rename(&part, path)).attempting(attempted)
}

/// What another process knew, if it has written that down. `without` says what comes of it if the file is removed.
///
/// # Errors
///
/// A file that is there and cannot be read.
pub fn take_on<T: DeserializeOwned>(path: &Path, without: &str) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let attempted = || format!("read {}", path.display());
    let text = fs::read_to_string(path).attempting(attempted)?;
    let known = serde_json::from_str(&text).attempting(attempted).map(Some);
    known.map_err(|failure| failure.try_next(format!("remove that file: {without}")))
}
