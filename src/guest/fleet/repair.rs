//! How guests of a fleet are made anew.

use std::sync::Arc;
use std::time::Duration;

use super::{ANSWER_LIMIT, Fleet, all, by_login};
use crate::failure::{Attempt, Failure, Result};
use crate::guest::{Guest, domain};
use crate::libvirt::OurDomain;
use crate::scenario::Side;
use crate::sys::parallel::at_once;
use crate::sys::wait::{Look, wait_for};

/// Lines of a guest's console that are shown when it does not answer.
const CONSOLE_LINES: u32 = 15;

impl Fleet {
    /// Ends what a failed scenario may have left beside the fleet: loads on hosts, and load guests.
    pub fn clear_strays(&self) -> Result<()> {
        let guests = by_login("remove a load guest", &self.load_guests, |guest| self.remove(guest));
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
        all(by_login("remove a guest", guests, |guest| self.remove(guest)))?;
        self.create_overlays(guests)?;
        all(by_login("start a guest", guests, |guest| self.boot(guest)))?;
        self.note_definitions(guests)?;
        // While the guests boot, the connections that their migrations will use are opened.
        all(by_login("wait for a guest", guests, |guest| {
            for side in [Side::Source, Side::Target] {
                guest.connection(&self.hosts, side, &self.cancel)?;
            }
            self.await_guest(guest)
        }))?;
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

    fn boot(&self, guest: &Guest) -> Result<()> {
        let host = &self.hosts.source;
        let domain = self.define(guest, host)?;
        domain.start().attempting(|| format!("start {} on {}", guest.name, host.entry.name))
    }

    fn await_guest(&self, guest: &Guest) -> Result<()> {
        let limit = self.profile.boot_timeout;
        wait_for(&format!("{} to answer by ssh", guest.name), limit, &self.cancel, || {
            match guest.agent.observe(Duration::from_secs(10)) {
                Ok(_) => Look::Ready(()),
                Err(failure) => Look::again(failure.cause),
            }
        })
        .map_err(|failure| self.with_console(guest, failure))
    }

    fn with_console(&self, guest: &Guest, failure: Failure) -> Failure {
        let host = &self.hosts.source;
        let path = domain::console_path(&guest.name);
        let console = host
            .remote
            .check(&format!("tail -n {CONSOLE_LINES} {path}"), ANSWER_LIMIT)
            .unwrap_or_else(|failure| failure.to_string());
        failure
            .and(format!("\nits console, {path} on {}, ends:\n{console}", host.entry.name))
            .try_next("did its kernel die, or is the network between here and it down?")
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
