//! What a scenario may have done to a fleet, and how that is mended.

use std::sync::Arc;
use std::time::Duration;

use super::{ANSWER_LIMIT, Fleet, all, by_login};
use crate::failure::{Attempt, Failure, Result};
use crate::guest::{Guest, domain};
use crate::host::Host;
use crate::libvirt::OurDomain;
use crate::scenario::{Load, Side};
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

    /// What is wrong with each guest: not where a scenario starts, not alone, not defined as it was made, not answering. Empty
    /// when all is well.
    pub fn damage(&self) -> Vec<(Arc<Guest>, String)> {
        by_login("inspect a guest", &self.guests, |guest| Ok(self.inspect(guest)))
            .into_iter()
            .zip(&self.guests)
            .filter_map(|(found, guest)| {
                let damage = found.unwrap_or_else(|failure| Some(failure.to_string()))?;
                Some((Arc::clone(guest), damage))
            })
            .collect()
    }

    fn inspect(&self, guest: &Guest) -> Option<String> {
        for (host, active) in [(&self.hosts.source, true), (&self.hosts.target, false)] {
            match placed(guest, host, active) {
                Ok(None) => {}
                Ok(Some(wrong)) => return Some(wrong),
                Err(failure) => return Some(failure.to_string()),
            }
        }
        match self.redefined(guest) {
            Ok(None) => {}
            Ok(Some(wrong)) => return Some(wrong),
            Err(failure) => return Some(failure.to_string()),
        }
        match guest.agent.observe(ANSWER_LIMIT) {
            Ok(seen) => {
                seen.processes.iter().find(|process| is_load(&process.name) && process.is_alive()).map(
                    |process| format!("a load is still running in it: {} ({})", process.name, process.pid),
                )
            }
            Err(failure) => Some(failure.to_string()),
        }
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

/// What is wrong with where a guest is, by one host.
fn placed(guest: &Guest, host: &Host, active: bool) -> Result<Option<String>> {
    let domain = guest.domain_on(host)?;
    let state = domain.map(|domain| domain.state()).transpose();
    let state = state.attempting(|| format!("look at {} on {}", guest.name, host.entry.name))?;
    if state.as_ref().is_some_and(|state| state.is_running()) == active {
        return Ok(None);
    }
    let seen = state.map_or("unknown there".into(), |state| state.to_string());
    Ok(Some(format!("on {} it is {seen}", host.entry.name)))
}

/// Whether a process of that name is of a scenario's load.
fn is_load(process: &str) -> bool {
    Load::programs().iter().any(|program| process.starts_with(program))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_loads_are_told_from_the_guests_own() {
        assert!(is_load("stress") && is_load("stress-ng-vm") && is_load("stress-ng"));
        assert!(!is_load("multivm-witness") && !is_load("sh") && !is_load(""));
    }
}
