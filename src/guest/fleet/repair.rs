//! How guests of a fleet are made anew.

use std::sync::Arc;

use super::{ANSWER_LIMIT, Fleet, all};
use crate::failure::{Attempt, Result};
use crate::guest::Guest;
use crate::libvirt::OurDomain;
use crate::scenario::Side;
use crate::sys::parallel::at_once;

impl Fleet {
    /// Ends what a failed scenario may have left beside the fleet: loads on hosts, and load guests.
    pub fn clear_strays(&self) -> Result<()> {
        let guests = self.by_login("remove a load guest", &self.load_guests, |guest| self.remove(guest));
        guests.into_iter().fold(self.end_loads_on_hosts(), Result::and)
    }

    /// Ends loads on hosts that an earlier scenario or command left, and removes what they wrote.
    pub(super) fn end_loads_on_hosts(&self) -> Result<()> {
        let ended = at_once("end loads on a host", self.hosts.both(), |host| host.end_loads(ANSWER_LIMIT));
        ended.into_iter().fold(Ok(()), Result::and)
    }

    /// Makes guests anew: destroyed wherever they are, with a fresh overlay, started on the source, answering. Refused before
    /// that if something is in the way that multivm did not make.
    pub fn renew(&self, guests: &[Arc<Guest>]) -> Result<()> {
        self.refuse_foreign(guests)?;
        all(self.by_login("remove a guest", guests, |guest| self.remove(guest)))?;
        self.create_overlays(guests)?;
        self.start_guests(guests)?;
        self.note_definitions(guests)?;
        self.start_witnesses(guests)
    }

    /// Ends the guest wherever it is and forgets it.
    pub fn remove(&self, guest: &Guest) -> Result<()> {
        guest.agent.forget();
        for host in self.hosts.both() {
            if let Some(domain) = guest.domain_on(host)? {
                end(&domain).attempting(|| format!("remove {} from {}", guest.name, host.entry.name))?;
            }
        }
        guest.moved_to(Side::Source);
        Ok(())
    }
}

/// Stops a domain and removes its definition.
pub(super) fn end(domain: &OurDomain) -> crate::libvirt::Result<()> {
    // A job that a failed scenario left would hold the domain's lock. Without one there is nothing to abort.
    let _ = domain.abort_job();
    if domain.is_active()? {
        ignore_gone(domain.destroy())?;
    }
    ignore_gone(domain.undefine())
}

/// A domain that is gone already is what was wanted.
fn ignore_gone(result: crate::libvirt::Result<()>) -> crate::libvirt::Result<()> {
    match result {
        Err(error) if error.is_no_domain() || error.is_operation_invalid() => Ok(()),
        other => other,
    }
}
