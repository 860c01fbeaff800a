//! Puts hosts back: what the ledger of this machine has, or whatever a host's lease has, from any machine.

use std::path::Path;

use super::chosen::{ChosenPair, raised};
use super::lease;
use super::put_back::{compare, put_back};
use crate::failure::{Failure, Result};
use crate::ledger::{Elsewhere, HostChanges, Ledger, Lock, Thing, state_directory};
use crate::remote::Remote;

/// Undoes everything that a killed run has in the ledger of a pair, and returns it. What a command keeps on purpose stays.
///
/// # Errors
///
/// A command is at work, or something cannot be undone.
pub fn clear(directory: &Path) -> Result<Vec<Thing>, Vec<Failure>> {
    let machine = || Ledger::peek(&state_directory()).map_err(|failure| vec![failure]);
    if directory == raised() && !machine()?.kept {
        // Whoever clears this machine ends the hosts themselves.
        return forget_raised();
    }
    undo(directory, put_back, Ledger::is_kept)
}

/// Strikes the hosts of this machine that have gone, with all changes of them, and returns what was undone.
///
/// # Errors
///
/// A command is at work, or something else cannot be undone.
pub fn forget_raised() -> Result<Vec<Thing>, Vec<Failure>> {
    undo(&raised(), |_| Ok(None), |_| false)
}

/// Undoes what a ledger has, with `elsewhere` for what is on hosts, and returns it, unless the ledger is one that stays.
fn undo(
    directory: &Path,
    elsewhere: Elsewhere,
    stays: fn(&Ledger) -> bool,
) -> Result<Vec<Thing>, Vec<Failure>> {
    let one = |failure| vec![failure];
    if Ledger::peek(directory).map_err(one)?.outstanding.is_empty() {
        return Ok(Vec::new());
    }
    let lock = Lock::take(directory).map_err(one)?;
    let ledger = Ledger::open_with(directory, elsewhere).map_err(one)?;
    if stays(&ledger) {
        return Ok(Vec::new());
    }
    let things = ledger.outstanding();
    let failures = ledger.undo_all();
    drop(lock);
    if failures.is_empty() { Ok(things) } else { Err(failures) }
}

/// What became of a host of a pair that was to be put back: who held it; none if nobody did.
pub type Reaped = (&'static str, Result<Option<String>>);

/// Puts both hosts of a pair back, whoever has changed them. A lease whose controller was heard of lately is left alone, unless it is
/// taken over. What the ledger of this machine has of hosts that are put back is struck.
pub fn reap(chosen: &ChosenPair, take_over: bool) -> Vec<Reaped> {
    let mut over = Vec::new();
    let mut put_back = |remote: &Remote, address: &str| -> Result<Option<String>> {
        let found = lease::Lease::of(remote)?;
        if let Some(found) = &found
            && found.silent < lease::SILENCE
            && !take_over
        {
            return Err(found.refusal(remote.name()));
        }
        let lease::PutBack { before, left } = match found {
            Some(_) => lease::end(remote, None)?,
            None => lease::PutBack::default(),
        };
        if take_over && found.is_none() {
            lease::sweep(remote)?;
        }
        over.push(address.to_owned());
        match before.map(|before| compare(remote, &before, &left)).transpose()?.flatten() {
            Some(differs) => Err(differs),
            None => Ok(found.map(|found| found.holder)),
        }
    };
    let hosts = chosen.in_order_of_return();
    let mut reaped: Vec<Reaped> =
        hosts.iter().map(|(name, remote, address)| (*name, put_back(remote, address))).collect();
    let is_over = |changes: &HostChanges| over.contains(&changes.address);
    let failures = strike(&chosen.state(), is_over).err().unwrap_or_default();
    reaped.extend(failures.into_iter().map(|failure| ("this machine", Err(failure))));
    reaped
}

/// Strikes everywhere what this machine's ledgers have of a host that is gone for good, without asking it, and returns that.
///
/// # Errors
///
/// A command is at work, or something of this machine cannot be undone.
pub fn forget(address: &str) -> Result<Vec<HostChanges>, Vec<Failure>> {
    let (mut forgotten, mut failures) = (Vec::new(), Vec::new());
    for directory in super::states() {
        match strike(&directory, |on_host| on_host.address == address) {
            Ok(hosts) => forgotten.extend(hosts),
            Err(more) => failures.extend(more),
        }
    }
    if failures.is_empty() { Ok(forgotten) } else { Err(failures) }
}

/// Strikes what a ledger has of hosts that are over, and undoes the rest once no host is left in it; returns the hosts. The ledger of a
/// run that goes on is that run's.
fn strike(
    directory: &Path,
    is_over: impl Fn(&HostChanges) -> bool,
) -> Result<Vec<HostChanges>, Vec<Failure>> {
    let one = |failure| vec![failure];
    let on_host = |thing: &Thing| match thing {
        Thing::Host(on_host) => Some(on_host.clone()),
        _ => None,
    };
    let over = |things: &[Thing]| -> Vec<HostChanges> {
        things.iter().filter_map(on_host).filter(|on_host| is_over(on_host)).collect()
    };
    let things = Ledger::peek(directory).map_err(one)?.outstanding;
    if over(&things).is_empty() || Lock::holder(directory).is_some() {
        return Ok(Vec::new());
    }
    let lock = Lock::take(directory).map_err(one)?;
    let ledger = Ledger::open_with(directory, |_| Ok(None)).map_err(one)?;
    let hosts = over(&ledger.outstanding());
    let stays = |thing: &Thing| on_host(thing).is_none_or(|on_host| !is_over(&on_host));
    let mut failures = ledger.undo_all_but(stays);
    if ledger.outstanding().iter().all(|thing| on_host(thing).is_none()) {
        failures.extend(ledger.undo_all());
    }
    drop(lock);
    if failures.is_empty() { Ok(hosts) } else { Err(failures) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn on_host(address: &str) -> Thing {
        Thing::Host(HostChanges {
            name: "source".into(),
            address: address.into(),
            login: serde_json::Value::Null,
            run: "R1".into(),
            before: PathBuf::new(),
        })
    }

    /// The ledger of a pair as a killed run leaves it.
    fn left() -> tempfile::TempDir {
        let state = tempfile::tempdir().unwrap();
        let run = state.path().join("run");
        let ledger = Ledger::open(state.path()).unwrap();
        for thing in [Thing::Directory { path: run.clone() }, on_host("kvm1"), on_host("kvm2")] {
            ledger.enter(thing).unwrap();
        }
        fs::create_dir(run).unwrap();
        state
    }

    #[test]
    fn what_is_over_is_struck_and_the_rest_goes_with_the_last_host() {
        let state = left();
        let of = |address: &'static str| move |on_host: &HostChanges| on_host.address == address;
        assert!(strike(state.path(), of("kvm3")).unwrap().is_empty());
        assert_eq!(strike(state.path(), of("kvm2")).unwrap().len(), 1);
        let left = Ledger::peek(state.path()).unwrap().outstanding;
        assert_eq!(left, [Thing::Directory { path: state.path().join("run") }, on_host("kvm1")]);
        assert!(state.path().join("run").exists());
        assert_eq!(strike(state.path(), of("kvm1")).unwrap().len(), 1);
        assert!(Ledger::peek(state.path()).unwrap().outstanding.is_empty());
        assert!(!state.path().join("run").exists());
    }

    #[test]
    fn the_ledger_of_a_run_that_goes_on_is_left_to_it() {
        let state = left();
        let _lock = Lock::take(state.path()).unwrap();
        assert!(strike(state.path(), |_| true).unwrap().is_empty());
        assert_eq!(Ledger::peek(state.path()).unwrap().outstanding.len(), 3);
    }
}
