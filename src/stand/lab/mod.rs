//! The lab: two libvirt hosts and an NFS server on this machine, as Linux namespaces over root file systems made of a
//! distribution's packages. It turns settings into an [`Inventory`]; no other room knows that the hosts are not machines.

pub mod accel;
mod as_raised;
pub mod cgroup;
mod files;
mod hosts;
mod init;
mod mend;
pub mod network;
mod prepared;
mod reach;
mod root;
mod row;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use super::settings::Settings;
use super::{FoundHosts, Ground, Needs, Stand, StandKind, Standing, masters};
use crate::failure::{Attempt, Cause, Failure, Result};
use crate::inventory::Inventory;
use crate::ledger::Thing;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};
use hosts::directory;
pub use init::hidden_entry;
use prepared::Prepared;
pub use row::LAB;

/// How long the parent of a host's init may take to notice the init's end.
const SUPERVISOR_LIMIT: Duration = Duration::from_secs(5);

/// The namespace lab.
#[derive(Debug)]
pub struct Lab {
    settings: Settings,
    /// The prerequisites of the hosts; none until the lab is prepared.
    prepared: Option<Prepared>,
    /// Parents of the hosts' inits that this process started.
    supervisors: Vec<Child>,
}

impl Lab {
    /// A lab with these settings, which does not stand yet.
    pub fn new(settings: Settings) -> Lab {
        Lab { settings, prepared: None, supervisors: Vec::new() }
    }

    /// The difference between an inventory's hosts and the settings; none if they agree.
    fn differs(&self, inventory: &Inventory) -> Option<String> {
        let differs = |name: &str, facts: &BTreeMap<String, String>, wanted: &str| {
            let found = facts.get("suite").filter(|found| *found != wanted)?;
            Some(format!("its {name} is of {found}, and {wanted} is asked for"))
        };
        let (found, wanted) = (inventory.guests.arch, self.settings.guest_arch);
        if found != wanted {
            return Some(format!("its guests are of {found}, and {wanted} is asked for"));
        }
        let images = masters::entries(self.settings.catalogue.as_ref(), &inventory.storage.base_image);
        // A master that cannot be looked at fails the raise, with words of its own.
        if images.is_ok_and(|images| images != inventory.guests.images) {
            return Some("the images of its catalogue are others".to_owned());
        }
        differs("source", &inventory.source.facts, &self.settings.source_suite)
            .or_else(|| differs("target", &inventory.target.facts, &self.settings.target_suite))
    }

    fn end(&mut self, failures: Vec<Failure>) -> Vec<Failure> {
        for mut supervisor in self.supervisors.drain(..) {
            // The parent ends with its host's init. This only reaps it, unless the init could not be ended.
            let _ =
                wait_for(
                    "a host's supervisor to end",
                    SUPERVISOR_LIMIT,
                    &StopFlag::new(),
                    || match supervisor.try_wait() {
                        Ok(None) => Poll::NotYet("it runs".into()),
                        _ => Poll::Ready(()),
                    },
                );
        }
        failures
    }
}

impl Stand for Lab {
    type Hosts = Inventory;

    fn kind(&self) -> Option<StandKind> {
        Some(StandKind::Lab)
    }

    fn needs(&self) -> Needs {
        Needs { root: Some("namespaces need root") }
    }

    fn standing(&self) -> Result<Standing<Inventory>> {
        let inventory = running()?;
        Ok(match self.differs(&inventory) {
            None => Standing::Same(inventory),
            Some(why) => Standing::Other(inventory, why),
        })
    }

    /// Fetches packages while this process still sees the machine's own network, then moves this thread into the lab's.
    fn prepare(&mut self, ground: Ground<'_>, before: FoundHosts) -> Result<()> {
        if before != FoundHosts::Foreign {
            self.prepared = Some(prepared::prepare(&self.settings, ground)?);
        }
        if before == FoundHosts::Down {
            network::create_switch(ground.ledger)?;
        }
        network::join_switch()
    }

    fn raise(&mut self, ground: Ground<'_>, guests_memory: u64) -> Result<Inventory> {
        if !network::in_switch() {
            return Err(Failure::new("raise the lab", "this thread is not in the lab's network namespace"));
        }
        let prepared =
            self.prepared.as_ref().ok_or_else(|| Failure::new("raise the lab", "it was not prepared"))?;
        let (inventory, supervisors) = hosts::raise(prepared, &self.settings, guests_memory, ground)?;
        self.supervisors.extend(supervisors);
        Ok(inventory)
    }

    fn mend(&mut self, ground: Ground<'_>) -> Result<Vec<String>> {
        mend::mend(&running()?, &directory(), ground)
    }

    fn are_as_raised(&self) -> Result<()> {
        as_raised::check(&running()?, &directory())
    }

    fn clear(&mut self, ground: Ground<'_>) -> Vec<Failure> {
        // This process stays in the switch's namespace.
        let switch = Thing::NetworkNamespace { name: network::SWITCH.into() };
        let mut failures = ground.ledger.undo_all_but(|thing| *thing == switch);
        if let Some(prepared) = self.prepared.as_ref().filter(|_| network::in_switch()) {
            failures.extend(network::clean_switch(&prepared.source.root).err());
        }
        self.end(failures)
    }

    fn down(&mut self, ground: Ground<'_>) -> Vec<Failure> {
        let failures = ground.ledger.undo_all();
        self.end(failures)
    }

    fn facts(&self) -> Option<String> {
        self.prepared.as_ref().map(Prepared::to_string)
    }
}

/// The inventory of the running lab.
pub fn running() -> Result<Inventory> {
    let path = directory().join("inventory.json");
    let attempted = || "find a running lab".to_owned();
    let text = fs::read_to_string(&path).map_err(|error| {
        Failure::new(attempted(), Cause::from(error).about(path.display())).try_next("multivm lab up")
    })?;
    serde_json::from_str(&text).attempting(|| format!("read {}", path.display()))
}

/// ssh configuration of the running lab, for a user's shell.
pub fn ssh_config() -> PathBuf {
    directory().join("ssh_config")
}
