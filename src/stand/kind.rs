//! What a kind of hosts must be able to do: the one interface between a command and the hosts that it works on.

use std::fmt;

use crate::failure::{Failure, Result};
use crate::inventory::Inventory;
use crate::ledger::Ledger;
use crate::sys::wait::StopFlag;

/// What a stand works with: the ledger that every change is entered in first, and the flag that ends it early.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub ledger: &'a Ledger,
    pub stop: &'a StopFlag,
}

/// What a stand needs of the process that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Why the process must be root; none if it need not be.
    pub root: Option<&'static str>,
}

/// Hosts that an earlier command left up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// They are what this stand would raise.
    Same(Inventory),
    /// They can be reached, but are something else, which the text says.
    Other(Inventory, String),
}

/// Whether hosts are up when a stand is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// None are: they will be raised.
    Down,
    /// They are, and may have to be raised again.
    Up,
    /// They are, and stay as they are, because they belong to somebody else.
    Foreign,
}

/// A kind of hosts: the namespace lab, or whatever else can turn settings into an [`Inventory`].
///
/// A stand changes nothing on a machine before it has entered the change into the ledger: undoing everything that the ledger
/// has is always enough to put the machine back.
pub trait Stand: fmt::Debug + Send {
    /// What it needs, asked before anything is done.
    fn needs(&self) -> Needs;

    /// The hosts that an earlier command left up.
    ///
    /// # Errors
    /// When there are none, or they cannot be described.
    fn standing(&self) -> Result<Standing>;

    /// Makes what hosts are made of, and brings this thread to where it can reach them. To be called before any thread
    /// that talks to hosts is started.
    ///
    /// # Errors
    /// When something that is needed cannot be made or reached.
    fn prepare(&mut self, ground: Ground<'_>, before: Before) -> Result<()>;

    /// Raises hosts with room for guests that have so much memory together, bytes.
    ///
    /// # Errors
    /// When they are not prepared, or do not come up.
    fn raise(&mut self, ground: Ground<'_>, guests_memory: u64) -> Result<Inventory>;

    /// Starts again what has ended of the hosts' own parts, and returns what that was, a few words each; nothing if all of
    /// them run.
    ///
    /// # Errors
    /// When something has ended that cannot be started again by itself.
    fn mend(&mut self, ground: Ground<'_>) -> Result<Vec<String>>;

    /// Takes the hosts down, but not what this process stands on, so that they can be raised again.
    fn clear(&mut self, ground: Ground<'_>) -> Vec<Failure>;

    /// Takes everything down.
    fn down(&mut self, ground: Ground<'_>) -> Vec<Failure>;

    /// What the hosts are made of and what their guests run on, in one line; none before it is known.
    fn facts(&self) -> Option<String>;
}
