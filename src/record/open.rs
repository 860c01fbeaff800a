//! A record as it lies on disk: a file, the folder of a run, or a folder of several runs.

use std::path::Path;

use super::read::read_one;
use super::{Envelope, Event, ReportError, merge};

/// The events of the record at `path`, a `record.jsonl` or the folder of a run, in the order of writing.
///
/// A last line that was cut off, as by a power loss or while the run is still writing, is left out. A folder that has no
/// record and whose folders have some, such as that of a run of cargo-nextest, is read as one record, merged.
///
/// # Errors
/// When the file cannot be read, when another line is not an event, or when a later multivm wrote it.
pub fn read(path: &Path) -> Result<Vec<(Envelope, Event)>, ReportError> {
    let parts = merge::parts_of(path);
    if !parts.is_empty() {
        return merge::merge(&merge::name_of(path), &parts);
    }
    read_one(path)
}
