//! What every scenario of a run stands on: the lab, its hosts and storage, and the fleet on them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::nextest::NextestRun;
use super::run::Run;
use super::slot::Builder;
use crate::failure::{Failure, FailureKind, Result};
use crate::guest::{Fleet, Guest};
use crate::inventory::Inventory;
use crate::progress::terminal;
use crate::record::Event;
use crate::scenario::Profile;
use crate::stand::Session;
use crate::sys::parallel::locked;
use crate::sys::wait::StopFlag;

/// Builds the fleet, and everything below it, on the hosts of a session.
pub struct Fixture {
    pub session: Arc<Mutex<Option<Session>>>,
    pub run: Arc<Run>,
    /// What the hosts must have room for, bytes.
    pub guests_memory: u64,
    pub stop: StopFlag,
    /// The folder of a run of nextest.
    pub group: Option<PathBuf>,
}

impl Fixture {
    fn build_once(&self, profile: &Profile) -> Result<Fleet> {
        let begin = Instant::now();
        let inventory = locked(&self.session)
            .as_mut()
            .ok_or_else(|| Failure::new("raise the lab", "the run has ended"))?
            .raise(self.guests_memory)?
            .clone();
        self.run.fixture_ready("lab", begin.elapsed(), BTreeMap::new());
        let fleet = self.fleet(&inventory, profile)?;
        if let Some(warning) = fleet.hosts.warning() {
            terminal::say(&format!("\nmultivm: warning: {warning}"));
            self.run.fixture_ready("warning", begin.elapsed(), [("warning".to_owned(), warning)].into());
        }
        Ok(fleet)
    }

    /// The fleet on the hosts of an inventory; each part is in the record when it is ready, with the time that it took.
    fn fleet(&self, inventory: &Inventory, profile: &Profile) -> Result<Fleet> {
        let begin = Cell::new(Instant::now());
        Fleet::start(inventory, profile, &self.stop, &|part, facts| {
            self.run.fixture_ready(part, begin.replace(Instant::now()).elapsed(), facts);
        })
    }

    fn repaired(&self, what: &str, why: &str) {
        self.run.write(&Event::Repair { what: what.to_owned(), why: why.to_owned() });
    }

    fn rebuilding(&self, why: &Failure) {
        self.repaired("rebuild the hosts and the whole fleet", &why.to_string());
    }

    fn clear_hosts(&self) -> Result<()> {
        match locked(&self.session).as_mut() {
            Some(session) => session.clear_hosts(),
            None => Ok(()),
        }
    }
}

impl Builder for Fixture {
    type Fixture = Fleet;

    fn build(&self, profile: &Profile) -> Result<Fleet> {
        let Some(group) = &self.group else { return self.build_once(profile) };
        let shared = locked(&self.session).as_ref().is_some_and(Session::is_shared);
        NextestRun::raise(group, &self.stop, || match self.build_once(profile) {
            // Another process raised it, and a scenario there may have damaged it.
            Err(failure) if shared && !self.stop.is_set() && is_damage(&failure) => {
                self.rebuilding(&failure);
                self.clear_hosts().and_then(|()| self.build_once(profile))
            }
            built => built,
        })
    }

    fn mend(&self, fleet: &Fleet) -> Result<()> {
        fleet.clear_strays()?;
        let damage = fleet.damage();
        if damage.is_empty() {
            return Ok(());
        }
        fleet.refuse_foreign(&fleet.guests)?;
        let guests: Vec<Arc<Guest>> = damage.iter().map(|(guest, _)| Arc::clone(guest)).collect();
        let names: Vec<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
        let why: Vec<String> = damage.iter().map(|(guest, why)| format!("{}: {why}", guest.name)).collect();
        self.repaired(&format!("renew {}", names.join(", ")), &why.join("; "));
        fleet.renew(&guests)
    }

    fn clear(&self, why: &Failure) -> Result<()> {
        if !is_damage(why) {
            return Err(why.clone());
        }
        self.rebuilding(why);
        self.clear_hosts()
    }
}

/// Whether hosts that are raised anew may help. What was refused would be again; and if the reason is that somebody else made
/// something there, it is not ours to clear.
fn is_damage(failure: &Failure) -> bool {
    failure.kind() != FailureKind::Refused
}
