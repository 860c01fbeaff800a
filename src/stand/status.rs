//! What is on this machine now: looked at without the lock, for commands that only tell.

use std::path::Path;

use super::session::is_whole;
use crate::failure::Result;
use crate::ledger::{Holder, Ledger, Lock, Owner, Thing};

/// What the lock and the ledger of a state directory say.
#[derive(Debug, Clone)]
pub struct Status {
    /// Who works on this machine at the moment.
    pub holder: Option<Holder>,
    /// What was created and not undone.
    pub things: Vec<Thing>,
    /// It was left on purpose, by `multivm lab up` or for the processes of a run of nextest.
    pub kept: bool,
    /// The process for as long as which it stays.
    pub until: Option<Owner>,
    /// All that the ledger names is there.
    pub whole: bool,
}

/// Which of the four cases it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupancy {
    /// No lab is up, and nothing is left of one.
    Nothing,
    /// A lab that was left up on purpose.
    Up,
    /// A command is at work: what is there is its own.
    Busy,
    /// What a killed run left, or what is left of a lab of which parts have gone.
    Left,
}

impl Status {
    /// Looks. It may be old when it is read: only the lock's holder knows for sure.
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
