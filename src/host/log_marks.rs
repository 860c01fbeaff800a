//! How far logs were read.

use std::collections::HashMap;

/// The end of every log at one moment.
#[derive(Debug, Clone)]
pub struct LogMarks {
    /// The length of each file, by its machine and its path.
    pub(super) files: HashMap<(String, String), u64>,
    /// The place in the journal of each machine that has one, by the machine.
    pub(super) journals: HashMap<String, String>,
}
