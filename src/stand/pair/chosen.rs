//! The pair that a command works on, and where its state lies on this machine.

use std::fs;
use std::path::PathBuf;

use crate::failure::{Attempt, Failure, InputError, Result};
use crate::inventory::file::{InventoryFile, ListedHost, Network, Pair, Server, SharedStorage};
use crate::ledger::{PAIRS, state_directory};
use crate::remote::Remote;

/// A pair of an inventory file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenPair {
    pub pair: Pair,
    /// The file of the keys of hosts that the inventory has no key of.
    pub known_hosts: PathBuf,
    /// The file that lists the pair's guests, if there is one.
    pub catalogue: Option<PathBuf>,
}

impl ChosenPair {
    /// The pair of a file that is asked for.
    ///
    /// # Errors
    ///
    /// None or several fit.
    pub fn of(file: &InventoryFile, wish: Option<&str>) -> Result<ChosenPair, InputError> {
        let pair = file.pair(wish)?.clone();
        Ok(ChosenPair { known_hosts: file.known_hosts(), catalogue: file.catalogue(&pair), pair })
    }

    /// Whether a run can work on such a pair.
    ///
    /// # Errors
    ///
    /// An inventory can say it, and no run can prove anything of use with it.
    pub fn supported(&self) -> Result<(), String> {
        let Some(Unsupported { what, why, instead }) = Unsupported::of(&self.pair) else { return Ok(()) };
        Err(format!("error: the pair {}: {what} is refused: {why}\n  = help: {instead}", self.pair.name))
    }

    /// Both hosts, with the names of their sides.
    pub(super) fn machines(&self) -> [(&'static str, &ListedHost); 2] {
        [("source", &self.pair.source), ("target", &self.pair.target)]
    }

    /// The ways into both hosts, as the inventory has them.
    pub(super) fn remotes(&self) -> [(&'static str, Remote); 2] {
        self.machines().map(|(name, machine)| (name, Remote::new(name, machine.login(&self.known_hosts))))
    }

    /// The way into the host with this address, as the ledger has it.
    pub(super) fn login(&self, address: &str) -> Result<serde_json::Value> {
        let attempted = || "enter a host in the ledger".to_owned();
        let known = |(_, machine): &(_, &ListedHost)| machine.address == address;
        let (_, machine) = self
            .machines()
            .into_iter()
            .find(known)
            .ok_or_else(|| Failure::new(attempted(), format!("the pair has no {address}")))?;
        serde_json::to_value(machine.login(&self.known_hosts)).attempting(attempted)
    }

    /// Both hosts, with their addresses, in the order in which they are put back: the one that serves the storage comes last.
    pub(super) fn in_order_of_return(&self) -> [(&'static str, Remote, &str); 2] {
        let [source, target] = self.remotes();
        let mut remotes = [
            (source.0, source.1, &*self.pair.source.address),
            (target.0, target.1, &*self.pair.target.address),
        ];
        if self.pair.storage != SharedStorage::ServeOn(Server::Target) {
            remotes.reverse();
        }
        remotes
    }

    /// The directory of the lock, the ledger and the files of runs on this pair.
    pub(super) fn state(&self) -> PathBuf {
        let [source, target] = [&self.pair.source.address, &self.pair.target.address];
        let word = |address: &str| address.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "_");
        state_directory().join(PAIRS).join(format!("{}-{}", word(source), word(target)))
    }
}

/// What an inventory can say and no run does.
pub struct Unsupported {
    pub what: &'static str,
    pub why: &'static str,
    /// What can be said in its place.
    pub instead: &'static str,
}

impl Unsupported {
    /// What a pair has of it.
    pub fn of(pair: &Pair) -> Option<Unsupported> {
        matches!(pair.network, Network::Nat).then_some(Unsupported {
            what: "`nat`",
            why: "each host has such a network of its own. A guest that moves from one into the other loses every connection, and nobody \
                  outside reaches it: neither its answers nor its downtime would be proved",
            instead: "`overlay = \"198.18.40.0/24\"`: multivm makes it on the same hosts, of which it takes no bridge and no interface, and deletes it; \
                      or `bridge`, of the same name on both hosts",
        })
    }
}

/// The state directory of the pair that is raised on this machine.
pub(super) fn raised() -> PathBuf {
    state_directory().join(PAIRS).join("raised")
}

/// The state directories of all pairs that runs of this machine have worked on; none for a user who may not see them.
pub fn states() -> Vec<PathBuf> {
    let folders = fs::read_dir(state_directory().join(PAIRS)).into_iter().flatten();
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    folders.flatten().filter(is_folder).map(|entry| entry.path()).collect()
}

/// Whether there are such directories that this user may not see.
pub fn are_hidden() -> bool {
    let seen = fs::read_dir(state_directory().join(PAIRS));
    seen.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}
