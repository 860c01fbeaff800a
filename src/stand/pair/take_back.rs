//! Puts hosts back: what the ledger of this machine has, or whatever a host's lease has, from any machine.

use std::fs;
use std::path::Path;

use super::state::HostState;
use super::{ChosenPair, lease};
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::inventory::Login;
use crate::ledger::{Elsewhere, Ledger, Lock, OnHost, Thing, state_directory};
use crate::remote::Remote;

/// Puts a host back that is in the ledger, and compares it with what it was: the answer is what differs.
///
/// # Errors
///
/// The host cannot be reached, or something cannot be put back.
pub fn put_back(on_host: &OnHost) -> Result<Option<Failure>> {
    let OnHost { name, login, run, before, .. } = on_host;
    let login: Login =
        serde_json::from_value(login.clone()).attempting(|| format!("read the login of {name}"))?;
    let remote = Remote::steadfast(name.as_str(), login);
    match lease::end(&remote, Some(run))? {
        Some(before) => compare(&remote, &before),
        // The host itself or somebody else was faster, or nothing was changed.
        None => match fs::read_to_string(before) {
            Ok(text) => compare(&remote, &HostState::parse(&text)?),
            Err(_) => Ok(None),
        },
    }
}

/// Undoes everything that a killed run has in the ledger of a pair, and returns it. What a command keeps on purpose stays.
///
/// # Errors
///
/// A command is at work, or something cannot be undone.
pub fn clear(directory: &Path) -> Result<Vec<Thing>, Vec<Failure>> {
    let machine = || Ledger::peek(&state_directory()).map_err(|failure| vec![failure]);
    if directory == super::raised() && !machine()?.kept {
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
    undo(&super::raised(), |_| Ok(None), |_| false)
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

/// Puts both hosts of a pair back, whoever has changed them; returns who held them. A lease whose controller was heard of lately is left
/// alone, unless it is taken over.
pub fn reap(chosen: &ChosenPair, take_over: bool) -> Vec<(&'static str, Result<Option<String>>)> {
    let put_back = |remote: &Remote| {
        let Some(found) = lease::Lease::of(remote)? else {
            return if take_over { lease::sweep(remote).map(|()| None) } else { Ok(None) };
        };
        if found.silent < lease::SILENCE && !take_over {
            return Err(found.refusal(remote.name()));
        }
        let before = lease::end(remote, None)?;
        match before.map(|before| compare(remote, &before)).transpose()?.flatten() {
            Some(differs) => Err(differs),
            None => Ok(Some(found.holder)),
        }
    };
    chosen.in_order_of_return().iter().map(|(name, remote)| (*name, put_back(remote))).collect()
}

/// Compares a host with what it was.
fn compare(remote: &Remote, before: &HostState) -> Result<Option<Failure>> {
    let differences = before.differences(&HostState::of(remote)?);
    if differences.is_empty() {
        return Ok(None);
    }
    let cause = Cause::new(FailureKind::Other, format!("it is not what it was: {}", differences.join(". ")));
    let differs = Failure::new("put the host back exactly", cause)
        .at(remote.name())
        .try_next("did somebody else change it meanwhile? If not, this is a defect of multivm");
    Ok(Some(differs))
}
