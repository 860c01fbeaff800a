//! Hosts by inventory: a pair that somebody else has, prepared for a run, and put back exactly.
//!
//! Every change of a host has an entry in the ledger here and a script in the host's lease before it is made. Whoever comes later, on this
//! machine or another one, or the host itself, can take everything back. What a host was like before is compared with what it is
//! like after.

mod change;
mod chosen;
mod cpu;
mod describe;
mod firmware;
mod gate;
mod guests;
mod hosts;
mod kept;
mod keys;
mod lease;
mod machine;
mod marked;
mod masters;
mod overlay;
pub mod packages;
mod postcopy;
mod prepare;
mod put_back;
mod segment;
pub mod server;
mod setting;
mod shared;
mod ssh;
mod state;
mod storage;
mod take_back;
#[cfg(test)]
mod testing;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::settings::Settings;
use super::{FoundHosts, Ground, Needs, Raised, Session, Stand, StandKind, Standing, masters as listed};
use crate::failure::{Attempt, Failure, Result};
use crate::image::{GuestImage, Images};
use crate::inventory::catalogue::Catalogue;
use crate::inventory::file::{InventoryFile, Pair, Server, SharedStorage};
use crate::inventory::{Arch, Inventory};
use crate::ledger::HostChanges;
use crate::sys::watch::Watch;
use chosen::raised;
pub use chosen::{ChosenPair, Unsupported, are_hidden, states};
pub use cpu::{BASELINE, GuestCpu};
pub use firmware::{CommonFirmware, Lack};
pub use hosts::{Examine, ExaminedHost, PairHost};
pub use lease::Lease;
pub use machine::CommonMachine;
pub use overlay::{Uplink, VXLAN_PORT, overlay_mtu};
pub use postcopy::Userfaultfd;
use prepare::WantedGuests;
pub use put_back::put_back;
pub use segment::hears;
pub use shared::{NotShared, faults};
pub use take_back::{Reaped, clear, forget, forget_raised, reap};

/// Where a pair comes from.
pub enum Given {
    /// An inventory file has it.
    File(Box<ChosenPair>),
    /// Hosts are raised first, and an inventory file describes them; none after they were given back.
    Raised(Option<Box<Session<Raised>>>),
}

/// A pair of hosts by inventory.
pub struct HostPair {
    given: Given,
    settings: Settings,
    examine: Examine,
    /// The pair, once it is known.
    chosen: Option<ChosenPair>,
    image: Option<GuestImage>,
    /// The tree with the server of NFS, where this machine is to serve the images.
    tools: Option<PathBuf>,
    /// What lets the hosts know that this process lives.
    beats: Vec<Watch<()>>,
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
        HostPair { given, settings, examine, chosen, image: None, tools: None, beats: Vec::new() }
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

    /// The inventory may have been corrected since a run noted its own way.
    fn login(&self, on_host: &HostChanges) -> Option<serde_json::Value> {
        let Given::File(chosen) = &self.given else { return None };
        chosen.login(&on_host.address).ok()
    }

    fn needs(&self) -> Needs {
        Needs { root: Some("the guests' image is made by root") }
    }

    fn standing(&self) -> Result<Standing<Inventory>> {
        let inventory = running(&self.folder())?;
        let images = listed::entries(self.settings.catalogue.as_ref(), &inventory.storage.base_image);
        // A master that cannot be looked at fails the raise, with words of its own.
        if images.is_ok_and(|images| images != inventory.guests.images) {
            return Ok(Standing::Other(inventory, "the images of its catalogue are others".to_owned()));
        }
        Ok(Standing::Same(inventory))
    }

    fn prepare(&mut self, ground: Ground<'_>, before: FoundHosts) -> Result<()> {
        let images = Images { store: &self.settings.store, ledger: ground.ledger, stop: ground.stop };
        let (suite, arch) = (&self.settings.guest_suite, Arch::OF_HOSTS);
        self.image = Some(images.guest(suite, arch, || images.host(&self.settings.source_suite, arch))?);
        let serves = SharedStorage::ServeOn(Server::Controller);
        if self.chosen.as_ref().is_some_and(|chosen| chosen.pair.storage == serves) {
            self.tools = Some(images.host(&self.settings.source_suite, arch)?.root);
        }
        if let Given::Raised(Some(session)) = &mut self.given {
            session.prepare()?;
        }
        if before == FoundHosts::Up {
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
        let Settings { catalogue, store, .. } = &self.settings;
        let wanted = WantedGuests { image, catalogue: catalogue.as_ref(), cache: &store.cache };
        let tools = self.tools.as_deref();
        let inventory = prepare::prepare(&chosen, &self.examine, wanted, tools, &self.folder(), ground)?;
        self.keep_beating(&inventory.owner)?;
        Ok(inventory)
    }

    /// Restarts this machine's NFS server, if it serves the images and has ended. Daemons of a host that somebody else has are his.
    fn mend(&mut self, ground: Ground<'_>) -> Result<Vec<String>> {
        match &self.tools {
            Some(tools) => server::mend(tools, &self.folder(), ground),
            None => Ok(Vec::new()),
        }
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
