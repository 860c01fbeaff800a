//! What a scenario may have done to a fleet and what it stands on: looked at from the bottom up, because nothing can be said of
//! a guest whose host does not answer.

use std::sync::Arc;

use super::{ANSWER_LIMIT, Fleet};
use crate::failure::{Attempt, Result};
use crate::guest::{Guest, witness};
use crate::host::Host;
use crate::scenario::{Load, Side};

/// Something of a guest that is not as a scenario needs it.
#[derive(Debug, Clone)]
pub struct Damage {
    pub guest: Arc<Guest>,
    pub part: DamagedPart,
    pub why: String,
}

/// The part of a guest that must be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamagedPart {
    /// Only our program in it, which keeps patterns in memory and on disk.
    Witness,
    /// All of it.
    Guest,
}

impl Fleet {
    /// Whether what the guests stand on answers: libvirtd of both hosts, and the NFS server. Takes milliseconds.
    ///
    /// # Errors
    /// When something does not.
    pub fn ground_answers(&self) -> Result<()> {
        self.hosts.answer()?;
        self.storage.serves()
    }

    /// The guests of which a connection for migrations was closed.
    pub fn with_closed_connections(&self) -> Vec<Arc<Guest>> {
        self.guests.iter().filter(|guest| guest.has_closed_connection()).cloned().collect()
    }

    /// What is wrong with each guest: not where a scenario starts, not alone, not defined as it was made, without its image, not
    /// answering, or without a witness that works. Empty when all is well.
    pub fn damage(&self) -> Vec<Damage> {
        let images: Vec<String> = self.guests.iter().map(|guest| guest.image.clone()).collect();
        let images = self
            .storage
            .damaged(&images, &self.inventory.owner)
            .unwrap_or_else(|failure| vec![Some(failure.to_string()); images.len()]);
        let looks = self.by_login("inspect a guest", &self.guests, |guest| Ok(self.inspect(guest)));
        let of_guest = |((guest, image), look): ((&Arc<Guest>, Option<String>), Result<Option<_>>)| {
            let whole = |why| Some((DamagedPart::Guest, why));
            let look = image.map_or(look, |why| Ok(whole(why)));
            let (part, why) = look.unwrap_or_else(|failure| whole(failure.to_string()))?;
            Some(Damage { guest: Arc::clone(guest), part, why })
        };
        self.guests.iter().zip(images).zip(looks).filter_map(of_guest).collect()
    }

    fn inspect(&self, guest: &Guest) -> Option<(DamagedPart, String)> {
        if let Some(panic) = self.consoles.panic_of(&guest.name) {
            return Some((DamagedPart::Guest, panic.to_string()));
        }
        let defined = || self.redefined(guest).unwrap_or_else(|failure| Some(failure.to_string()));
        if let Some(why) = self.misplaced(guest).or_else(defined) {
            return Some((DamagedPart::Guest, why));
        }
        // It is at home, also if somebody else brought it there.
        guest.moved_to(Side::Source);
        let seen = match guest.agent.observe(ANSWER_LIMIT) {
            Ok(seen) => seen,
            Err(failure) => return Some((DamagedPart::Guest, failure.to_string())),
        };
        let load = seen.processes.iter().find(|process| is_load(&process.name) && process.is_alive());
        if let Some(load) = load {
            let why = format!("a load is still running in it: {} ({})", load.name, load.pid);
            return Some((DamagedPart::Guest, why));
        }
        let silent = witness::rest(&guest.agent, ANSWER_LIMIT).err()?;
        Some((DamagedPart::Witness, silent.to_string()))
    }

    /// Why a guest is not where a scenario starts, and nowhere else.
    fn misplaced(&self, guest: &Guest) -> Option<String> {
        let places = [(&self.hosts.source, true), (&self.hosts.target, false)];
        places.into_iter().find_map(|(host, active)| match placed(guest, host, active) {
            Ok(wrong) => wrong,
            Err(failure) => Some(failure.to_string()),
        })
    }
}

/// What is wrong with where a guest is, by one host.
fn placed(guest: &Guest, host: &Host, active: bool) -> Result<Option<String>> {
    let attempted = || format!("look at {} on {}", guest.name, host.entry.name);
    let name = &host.entry.name;
    let Some(domain) = guest.domain_on(host)? else {
        return Ok(active.then(|| format!("on {name} it is unknown")));
    };
    let state = domain.state().attempting(attempted)?;
    if state.is_running() != active {
        return Ok(Some(format!("on {name} it is {state}")));
    }
    // A migration that nobody waited for any longer would move it away later.
    let moves = active && domain.job_stats().attempting(attempted)?.is_some();
    Ok(moves.then(|| format!("on {name} a job of it is still under way")))
}

/// Whether a process of that name is of a scenario's load.
fn is_load(process: &str) -> bool {
    Load::programs().iter().any(|program| process.starts_with(program))
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
