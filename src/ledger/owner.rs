//! A process whose lifetime bounds how long something is kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sys::process;

/// A process by its pid and its start time, which tell it from a later process with its pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    pub pid: i32,
    /// The start in clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub start: u64,
}

impl Owner {
    /// The process of that pid, if there is one.
    pub fn of(pid: i32) -> Option<Owner> {
        Some(Owner { pid, start: process::living(pid)?.starttime })
    }

    /// Whether the process has not ended yet.
    pub fn is_alive(&self) -> bool {
        Owner::of(self.pid).as_ref() == Some(self)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        // The process is gone, or another one has its pid.
        match process::living(self.pid).filter(|process| process.starttime == self.start) {
            Some(process) => write!(f, " ({})", process.comm),
            None => Ok(()),
        }
    }
}
