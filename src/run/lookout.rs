//! Looks at guests and hosts, each in a thread of its own beside whatever else goes on. What they see comes back as a
//! [`CaseEvent`].

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::Scope;
use std::time::Instant;

use super::beside::Beside;
use crate::check::GuestLook;
use crate::failure::{Failure, Result};
use crate::guest::Fleet;
use crate::load::ActiveLoad;
use crate::migration::LegReport;
use crate::plan::Leg;
use crate::remote::Observation;
use crate::scenario::Mode;
use crate::sys::parallel::at_once;

/// Something that a scenario has waited for.
pub enum CaseEvent<'env> {
    /// A migration is over.
    LegOver(Leg, Box<LegReport>),
    /// All of a step are.
    StepOver,
    /// A guest that was started anew for its move answers, or does not come up.
    Up { number: usize, up: Result<Instant> },
    /// A guest, by its number in the fleet, was looked at for the first time: before all moves, or after it was started anew
    /// for that one.
    FirstLook { number: usize, leg: Option<Leg>, look: Result<Box<GuestLook>> },
    /// A guest was looked at after a move, or once more at the end.
    Guest { number: usize, leg: Option<Leg>, look: Result<Box<GuestLook>> },
    /// Both hosts were.
    Hosts { leg: Option<Leg>, seen: [Result<Observation>; 2] },
    /// The load is at work.
    Loaded(Result<Box<ActiveLoad<'env>>>),
    /// The load has ended.
    Unloaded(Result<()>),
}

/// Sends out looks. `'scope` is the scenario: no look outlives it.
pub struct Lookout<'scope, 'env> {
    fleet: &'env Fleet,
    beside: Beside<'scope, 'env, CaseEvent<'env>>,
}

impl<'scope, 'env> Lookout<'scope, 'env> {
    pub fn new(
        scope: &'scope Scope<'scope, 'env>,
        fleet: &'env Fleet,
        sender: Sender<CaseEvent<'env>>,
    ) -> Lookout<'scope, 'env> {
        Lookout { fleet, beside: Beside::new(scope, sender) }
    }

    /// Does something beside everything else, which may send what happens; if it panics, `instead` happens.
    pub fn beside(
        &self,
        what: &'static str,
        instead: CaseEvent<'env>,
        work: impl FnOnce(&Sender<CaseEvent<'env>>) + Send + 'scope,
    ) {
        self.beside.start(what, instead, work);
    }

    /// Looks at a guest for the first time, and sets its witness to work at the pace of a mode.
    pub fn look_first(&self, number: usize, leg: Option<Leg>, mode: Mode) {
        let fleet = self.fleet;
        let look = Err(Failure::new("look into a guest", "it panicked"));
        self.beside("look into a guest", CaseEvent::FirstLook { number, leg, look }, move |sender| {
            let look = first_look(fleet, number, leg, mode).map(Box::new);
            let _ = sender.send(CaseEvent::FirstLook { number, leg, look });
        });
    }

    /// Looks into a guest; with `pause` its witness rests after that.
    pub fn look_into(&self, number: usize, leg: Option<Leg>, pause: bool) {
        let fleet = self.fleet;
        let panicked = Err(Failure::new("look into a guest", "it panicked"));
        self.beside("look into a guest", CaseEvent::Guest { number, leg, look: panicked }, move |sender| {
            let guest = &fleet.guests[number];
            let look = GuestLook::take(fleet, guest, leg).map(Box::new);
            if pause && look.is_ok() {
                // One that goes on writing costs the next scenario some time, and nothing else.
                let _ = fleet.pace_witness(guest, None);
            }
            let _ = sender.send(CaseEvent::Guest { number, leg, look });
        });
    }

    /// Looks at both hosts.
    pub fn look_at_hosts(&self, leg: Option<Leg>) {
        let fleet = self.fleet;
        let panicked = || Err(Failure::new("look at a host", "it panicked"));
        let instead = CaseEvent::Hosts { leg, seen: [panicked(), panicked()] };
        self.beside("look at the hosts", instead, move |sender| {
            let _ = sender.send(CaseEvent::Hosts { leg, seen: hosts(fleet) });
        });
    }
}

/// How source and target look now.
pub fn hosts(fleet: &Fleet) -> [Result<Observation>; 2] {
    let limit = fleet.answer_limit();
    let mut seen =
        at_once("look at a host", fleet.hosts.both(), |host| host.agent.observe(limit)).into_iter();
    let mut next = || seen.next().unwrap_or_else(|| Err(Failure::new("look at a host", "no result")));
    [next(), next()]
}

/// The first look at a guest, after which its witness goes to work. One that was started anew for a move gets a witness first.
fn first_look(fleet: &Fleet, number: usize, leg: Option<Leg>, mode: Mode) -> Result<GuestLook> {
    let guest = &fleet.guests[number];
    if leg.is_some() {
        fleet.start_witnesses(&[Arc::clone(guest)])?;
    }
    let look = GuestLook::take(fleet, guest, leg)?;
    fleet.pace_witness(guest, Some(mode))?;
    Ok(look)
}
