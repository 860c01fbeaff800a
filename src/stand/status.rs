//! The present state of this machine, seen without the lock, for commands that only report.

use std::path::Path;

use super::session::is_whole;
use crate::failure::Result;
use crate::ledger::{Holder, Ledger, Lock, Owner, Thing};

/// A state directory's lock and ledger.
#[derive(Debug, Clone)]
pub struct Status {
    /// The command at work on this machine.
    pub holder: Option<Holder>,
    /// Everything that a command created and nobody has undone.
    pub things: Vec<Thing>,
    /// Whether a command left the lab on purpose: `multivm lab up`, or the processes of a nextest run.
    pub kept: bool,
    /// The process whose lifetime bounds how long the lab stays.
    pub until: Option<Owner>,
    /// Whether everything in the ledger exists.
    pub whole: bool,
}

/// The state of the lab in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupancy {
    /// No lab is up, and nothing remains of one.
    Nothing,
    /// A command left a lab up on purpose.
    Up,
    /// A command is at work, and everything here is its own.
    Busy,
    /// Remains of a killed run, or of a lab with missing parts.
    Left,
}

impl Status {
    /// Looks at a state directory. The answer may be out of date at once: only the lock's holder knows for sure.
    pub fn look(directory: &Path) -> Result<Status> {
        let holder = Lock::holder(directory);
        let peek = Ledger::peek(directory)?;
        let whole = is_whole(&peek.outstanding);
        Ok(Status { holder, things: peek.outstanding, kept: peek.kept, until: peek.until, whole })
    }

    pub fn state(&self) -> Occupancy {
        if self.things.is_empty() {
            if self.holder.is_some() { Occupancy::Busy } else { Occupancy::Nothing }
        } else if self.kept && self.whole {
            Occupancy::Up
        } else if self.holder.is_some() {
            Occupancy::Busy
        } else {
            Occupancy::Left
        }
    }
}
