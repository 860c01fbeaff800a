//! The interface between a command and the hosts that it works on: what every kind of hosts can do.

use std::fmt;
use std::path::PathBuf;

use super::StandKind;
use crate::failure::{Failure, Result};
use crate::ledger::{HostChanges, Ledger, state_directory};
use crate::sys::stop::StopFlag;

/// The means of a stand: the ledger that gets every change first, and the flag that ends the stand early.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub ledger: &'a Ledger,
    pub stop: &'a StopFlag,
}

/// A stand's needs from the process that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The reason why the process must be root; none if it need not be.
    pub root: Option<&'static str>,
}

/// Hosts that an earlier command left up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing<H> {
    /// The hosts are the ones that this stand would raise.
    Same(H),
    /// The hosts can be reached, but differ from what this stand would raise; the text says how.
    Other(H, String),
}

/// Whether hosts are up when a stand is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundHosts {
    /// No hosts are up; the stand will raise them.
    Down,
    /// Hosts are up, and the stand may have to raise them again.
    Up,
    /// Hosts are up and belong to somebody else, so they stay as they are.
    Foreign,
}

/// A kind of hosts: the namespace lab, or anything else that turns settings into hosts.
///
/// A stand enters every change into the ledger before it makes the change: undoing the whole ledger always restores the
/// machine.
pub trait Stand: fmt::Debug + Send {
    /// What the stand's hosts are known by: an [`Inventory`](crate::inventory::Inventory) where scenarios can be played on them at once.
    type Hosts;

    /// Which kind of hosts of this machine this is; none for hosts that somebody else has.
    fn kind(&self) -> Option<StandKind>;

    /// The directory of the stand's lock and ledger.
    fn state(&self) -> PathBuf {
        state_directory()
    }

    /// The present way to a machine that the stand's ledger has; none if it is the one in the ledger.
    fn login(&self, _on_host: &HostChanges) -> Option<serde_json::Value> {
        None
    }

    /// The stand's needs, which the command checks before it does anything.
    fn needs(&self) -> Needs;

    /// The hosts that an earlier command left up.
    ///
    /// # Errors
    ///
    /// There are none, or they cannot be described.
    fn standing(&self) -> Result<Standing<Self::Hosts>>;

    /// Makes the images of hosts, and moves this thread to where it can reach the hosts. The caller starts no thread that
    /// talks to hosts before this.
    ///
    /// # Errors
    ///
    /// Something cannot be made or reached.
    fn prepare(&mut self, ground: Ground<'_>, before: FoundHosts) -> Result<()>;

    /// Raises hosts with room for all guests together, whose memory is given in bytes.
    ///
    /// # Errors
    ///
    /// The stand is not prepared, or hosts do not come up.
    fn raise(&mut self, ground: Ground<'_>, guests_memory: u64) -> Result<Self::Hosts>;

    /// Restarts the daemons of hosts that have ended, and returns their names; nothing if all of them run.
    ///
    /// # Errors
    ///
    /// A part has ended that cannot be restarted alone.
    fn mend(&mut self, ground: Ground<'_>) -> Result<Vec<String>>;

    /// Checks that hosts which are multivm's alone have what they had when they were raised: a setting that was added
    /// damages scenarios without an end, and nothing but hosts that are raised anew takes it away.
    ///
    /// # Errors
    ///
    /// They have something more or less, or cannot be looked at.
    fn are_as_raised(&self) -> Result<()> {
        Ok(())
    }

    /// Takes the hosts down so that they can be raised again, and leaves what this process stands on.
    fn clear(&mut self, ground: Ground<'_>) -> Vec<Failure>;

    /// Leaves the hosts to the next command, as the ledger says.
    fn leave(&mut self) -> Vec<Failure> {
        Vec::new()
    }

    /// Takes everything down.
    fn down(&mut self, ground: Ground<'_>) -> Vec<Failure>;

    /// The hosts' images and the guests' accelerator in one line; none before the stand knows them.
    fn facts(&self) -> Option<String>;
}
