//! A process for as long as which something is kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::start_time;

/// A process, known by its pid and its start time, so that another that got the same pid later is not taken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    pub pid: i32,
    /// Clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub start: u64,
}

impl Owner {
    /// The process of that pid, if there is one.
    pub fn of(pid: i32) -> Option<Owner> {
        Some(Owner { pid, start: start_time(pid)? })
    }

    /// Whether it has not ended yet, in whatever way.
    pub fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.start)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        // Gone by now, or somebody else's.
        match std::fs::read_to_string(format!("/proc/{}/comm", self.pid)) {
            Ok(name) if self.is_alive() => write!(f, " ({})", name.trim_end()),
            _ => Ok(()),
        }
    }
}
