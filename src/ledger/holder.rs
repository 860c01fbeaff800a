//! Who holds the lock, as its file says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The holder of the lock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub command: String,
    /// RFC 3339.
    pub since: String,
    /// The holder only takes down what has been left, or has been told to stop, and is done soon.
    #[serde(default)]
    pub ending: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} since {}: {}", self.pid, self.since, self.command)
    }
}
