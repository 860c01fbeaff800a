//! Puts hosts back: what the ledger of this machine has, or whatever a host's lease has, from any machine.

use std::path::Path;

use super::chosen::{ChosenPair, raised};
use super::lease;
use super::put_back::{compare, put_back};
use crate::failure::{Failure, Result};
use crate::ledger::{Elsewhere, Ledger, Lock, Thing, state_directory};
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
        let lease::PutBack { before, left } = lease::end(remote, None)?;
        match before.map(|before| compare(remote, &before, &left)).transpose()?.flatten() {
            Some(differs) => Err(differs),
            None => Ok(Some(found.holder)),
        }
    };
    chosen.in_order_of_return().iter().map(|(name, remote)| (*name, put_back(remote))).collect()
}
