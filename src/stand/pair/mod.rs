//! Hosts by inventory: a pair that somebody else has, prepared for a run, and put back exactly.
//!
//! Every change of a host has an entry in the ledger here and a script in the host's lease before it is made. Whoever comes later, on this
//! machine or another one, or the host itself, can take everything back. What a host was like before is compared with what it is
//! like after.

mod change;
mod describe;
mod gate;
mod guests;
mod keys;
mod lease;
mod overlay;
pub mod packages;
mod postcopy;
mod prepare;
mod ssh;
mod state;
mod storage;
mod take_back;
#[cfg(test)]
mod testing;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::lab::Settings;
use super::{Ground, HostsBefore, Needs, Session, Stand, StandKind, Standing};
use crate::failure::{Attempt, Failure, Result};
use crate::image::{GuestImage, Images};
use crate::inventory::Inventory;
use crate::inventory::file::{InventoryFile, ListedHost, Network, Pair, Server, SharedStorage};
use crate::ledger::{Thing, state_directory};
use crate::remote::{Facts, Identity, Remote};
use crate::stand::machines::Raised;
use crate::sys::watch::Watch;
pub use lease::Lease;
pub use overlay::{Uplink, VXLAN_PORT, overlay_mtu};
pub use postcopy::Userfaultfd;
pub use take_back::{clear, forget_raised, put_back, reap};

/// A pair of an inventory file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenPair {
    pub pair: Pair,
    /// The file of the keys of hosts that the inventory has no key of.
    pub known_hosts: PathBuf,
}

impl ChosenPair {
    /// The pair of a file that is asked for.
    ///
    /// # Errors
    ///
    /// None or several fit.
    pub fn of(file: &InventoryFile, wish: Option<&str>) -> Result<ChosenPair, crate::failure::InputError> {
        Ok(ChosenPair { pair: file.pair(wish)?.clone(), known_hosts: file.known_hosts() })
    }

    /// Whether a run can work on such a pair.
    ///
    /// # Errors
    ///
    /// An inventory can say it, and no run can do it yet.
    pub fn supported(&self) -> Result<(), String> {
        let Some(Unsupported { what, instead }) = Unsupported::of(&self.pair) else { return Ok(()) };
        Err(format!("error: the pair {}: {what} is not supported yet\n  = help: {instead}", self.pair.name))
    }

    /// Both hosts, with the names of their sides.
    fn machines(&self) -> [(&'static str, &ListedHost); 2] {
        [("source", &self.pair.source), ("target", &self.pair.target)]
    }

    /// The ways into both hosts, as the inventory has them.
    fn remotes(&self) -> [(&'static str, Remote); 2] {
        self.machines().map(|(name, machine)| (name, Remote::new(name, machine.login(&self.known_hosts))))
    }

    /// Both hosts in the order in which they are put back: the one that serves the storage comes last.
    fn in_order_of_return(&self) -> [(&'static str, Remote); 2] {
        let mut remotes = self.remotes();
        if self.pair.storage != SharedStorage::ServeOn(Server::Target) {
            remotes.reverse();
        }
        remotes
    }

    /// The directory of the lock, the ledger and the files of runs on this pair.
    fn state(&self) -> PathBuf {
        let [source, target] = [&self.pair.source.address, &self.pair.target.address];
        let word = |address: &str| address.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "_");
        state_directory().join(STATES).join(format!("{}-{}", word(source), word(target)))
    }
}

/// What an inventory can say and no run can do yet.
pub struct Unsupported {
    pub what: &'static str,
    /// What can be said in its place.
    pub instead: &'static str,
}

impl Unsupported {
    /// What a pair has of it.
    pub fn of(pair: &Pair) -> Option<Unsupported> {
        match (&pair.network, &pair.storage) {
            (Network::Nat, _) => Some(Unsupported {
                what: "`nat`",
                instead: "`bridge`: a bridge of the same name on both hosts; or `overlay`, which multivm makes",
            }),
            (_, SharedStorage::ServeOn(Server::Controller)) => Some(Unsupported {
                what: "`serve_on = \"controller\"`",
                instead: "an export that you make on this machine, or on any other, for both hosts, and `export = \"SERVER:/PATH\"`; or \
                          `serve_on = \"source\"`",
            }),
            _ => None,
        }
    }
}

/// The folder, in the state directory, of the state directories of pairs.
const STATES: &str = "pairs";

/// The state directory of the pair that is raised on this machine.
fn raised() -> PathBuf {
    state_directory().join(STATES).join("raised")
}

/// The state directories of all pairs that runs of this machine have worked on.
pub fn states() -> Vec<PathBuf> {
    let folders = fs::read_dir(state_directory().join(STATES)).into_iter().flatten();
    folders.flatten().map(|entry| entry.path()).collect()
}

/// Where a pair comes from.
pub enum Given {
    /// An inventory file has it.
    File(Box<ChosenPair>),
    /// Hosts are raised first, and an inventory file describes them; none after they were given back.
    Raised(Option<Box<Session<Raised>>>),
}

/// A host that has proved its identity and said what it has.
pub struct ExaminedHost {
    pub remote: Remote,
    pub identity: Identity,
    pub facts: Facts,
}

/// Looks at a pair before anything is changed on its hosts, or once more for a run that has taken them, and refuses one on which no run
/// is possible.
pub type Examine = Box<dyn Fn(&ChosenPair, Option<&str>) -> Result<[ExaminedHost; 2]> + Send>;

/// A pair of hosts by inventory.
pub struct HostPair {
    given: Given,
    settings: Settings,
    examine: Examine,
    /// The pair, once it is known.
    chosen: Option<ChosenPair>,
    image: Option<GuestImage>,
    /// What lets the hosts know that this process lives.
    beats: Vec<Watch<()>>,
}

/// One host of a pair, and what it says of itself.
pub struct PairHost<'a> {
    /// `source` or `target`.
    name: &'static str,
    machine: &'a ListedHost,
    remote: Remote,
    identity: Identity,
    facts: &'a Facts,
}

impl fmt::Debug for HostPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostPair").field("chosen", &self.chosen).finish_non_exhaustive()
    }
}

impl HostPair {
    /// A pair on which nothing is done yet. `examine` is asked before anything is changed.
    pub fn new(given: Given, settings: Settings, examine: Examine) -> HostPair {
        let chosen = match &given {
            Given::File(chosen) => Some(chosen.as_ref().clone()),
            Given::Raised(session) => session.as_ref().and_then(|session| described(session.hosts()?).ok()),
        };
        HostPair { given, settings, examine, chosen, image: None, beats: Vec::new() }
    }

    fn chosen(&self) -> Result<&ChosenPair> {
        self.chosen.as_ref().ok_or_else(|| Failure::new("work on the hosts", "they are not up"))
    }

    /// The folder of a run's files.
    fn folder(&self) -> PathBuf {
        self.state().join("run")
    }

    /// Raises the hosts, if they are to be raised.
    fn raise_hosts(&mut self) -> Result<()> {
        if let Given::Raised(Some(session)) = &mut self.given {
            let raised = session.raise(0)?;
            self.chosen = Some(described(raised)?);
        }
        Ok(())
    }

    fn keep_beating(&mut self, run: &str) -> Result<()> {
        if !self.beats.is_empty() {
            return Ok(());
        }
        for (_, remote) in self.chosen()?.remotes() {
            let run = run.to_owned();
            self.beats.push(Watch::start("beat", move |stop| {
                while !stop.is_set() {
                    // A host that cannot be reached puts itself back, and the run says why it fails.
                    let _ = lease::beat(&remote, &run);
                    stop.pause(lease::BEAT);
                }
            })?);
        }
        Ok(())
    }
}

/// The pair that an inventory file of raised hosts describes.
fn described(raised: &Raised) -> Result<ChosenPair> {
    let chosen = InventoryFile::load(&raised.inventory, None).and_then(|file| ChosenPair::of(&file, None));
    chosen.map_err(|error| Failure::new(format!("read {}", raised.inventory.display()), error.to_string()))
}

impl Stand for HostPair {
    type Hosts = Inventory;

    fn kind(&self) -> Option<StandKind> {
        None
    }

    fn state(&self) -> PathBuf {
        match &self.given {
            Given::File(chosen) => chosen.state(),
            // There is one such pair on a machine.
            Given::Raised(_) => raised(),
        }
    }

    fn needs(&self) -> Needs {
        Needs { root: Some("the guests' image is made by root") }
    }

    fn standing(&self) -> Result<Standing<Inventory>> {
        running(&self.folder()).map(Standing::Same)
    }

    fn prepare(&mut self, ground: Ground<'_>, before: HostsBefore) -> Result<()> {
        let images = Images { store: &self.settings.store, ledger: ground.ledger, stop: ground.stop };
        let suite = &self.settings.guest_suite;
        self.image = Some(images.guest(suite, || images.host(&self.settings.source_suite))?);
        if let Given::Raised(Some(session)) = &mut self.given {
            session.prepare()?;
        }
        if before == HostsBefore::Up {
            self.raise_hosts()?;
            self.keep_beating(&running(&self.folder())?.owner)?;
        }
        Ok(())
    }

    fn raise(&mut self, ground: Ground<'_>, _guests_memory: u64) -> Result<Inventory> {
        self.raise_hosts()?;
        // Hosts that were lost have kept what could not be put back, or lost it with themselves.
        let left = ground.ledger.undo_all();
        if let Some(failure) = left.into_iter().next() {
            return Err(failure);
        }
        let chosen = self.chosen()?.clone();
        let image = self
            .image
            .as_ref()
            .ok_or_else(|| Failure::new("prepare the hosts", "the guests' image was not made"))?;
        let inventory = prepare::prepare(&chosen, &self.examine, image, &self.folder(), ground)?;
        self.keep_beating(&inventory.owner)?;
        Ok(inventory)
    }

    /// Restarts nothing: daemons of a host that somebody else has are his.
    fn mend(&mut self, _ground: Ground<'_>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn clear(&mut self, ground: Ground<'_>) -> Vec<Failure> {
        self.beats.clear();
        let failures = ground.ledger.undo_all();
        match &mut self.given {
            // Hosts that do not let themselves be put back go, with everything on them.
            Given::Raised(Some(session)) if !failures.is_empty() => {
                session.clear_hosts().err().into_iter().collect()
            }
            Given::Raised(_) | Given::File(_) => failures,
        }
    }

    fn down(&mut self, ground: Ground<'_>) -> Vec<Failure> {
        self.beats.clear();
        let failures = ground.ledger.undo_all();
        failures.into_iter().chain(self.leave()).collect()
    }

    fn leave(&mut self) -> Vec<Failure> {
        self.beats.clear();
        match &mut self.given {
            Given::Raised(session) => session.take().map(|session| session.end()).unwrap_or_default(),
            Given::File(_) => Vec::new(),
        }
    }

    fn facts(&self) -> Option<String> {
        let chosen = self.chosen.as_ref()?;
        let Pair { name, source, target, .. } = &chosen.pair;
        Some(format!("the pair {name}: {} and {}", source.address, target.address))
    }
}

/// The inventory of a pair that an earlier command of the same owner has prepared.
fn running(folder: &Path) -> Result<Inventory> {
    let path = folder.join("inventory.json");
    let attempted = || format!("read {}", path.display());
    let text = fs::read_to_string(&path).attempting(attempted)?;
    serde_json::from_str(&text).attempting(attempted)
}

/// Removes a folder of a run's files, and makes it anew.
fn fresh(folder: &Path, ground: Ground<'_>) -> Result<()> {
    let thing = Thing::Directory { path: folder.to_owned() };
    if !ground.ledger.outstanding().contains(&thing) {
        ground.ledger.enter(thing)?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder).attempting(|| format!("remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).attempting(|| format!("create {}", folder.display()))?;
    ssh::LoginFiles::protect(folder)
}
