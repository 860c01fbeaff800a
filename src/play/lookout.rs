//! Looks at guests and hosts, each in a thread of its own. Every look ends as a [`CaseEvent`].

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

/// An event that a case waits for.
pub enum CaseEvent<'env> {
    /// A migration is over.
    LegOver(Leg, Box<LegReport>),
    /// All migrations of a step are over.
    StepOver,
    /// A restarted guest answers, or does not come up.
    Up { number: usize, up: Result<Instant> },
    /// The first look at a guest, by its number in the fleet, has ended: before all moves, or after a restart for that move.
    FirstLook { number: usize, leg: Option<Leg>, look: Result<Box<GuestLook>> },
    /// A look at a guest has ended, after a move or at the end.
    Guest { number: usize, leg: Option<Leg>, look: Result<Box<GuestLook>> },
    /// A look at both hosts has ended.
    Hosts { leg: Option<Leg>, seen: Box<[Result<Observation>; 2]> },
    /// The load works.
    Loaded(Result<Box<ActiveLoad<'env>>>),
    /// The load has ended.
    Unloaded(Result<()>),
}

/// The looks at the machines of a scenario. Each blocks for as long as it takes.
pub trait Look: Sync {
    /// Takes the first look at a guest and then sets its witness to the pace of the mode. A guest restarted for a move gets
    /// a witness first.
    fn first(&self, number: usize, leg: Option<Leg>, mode: Mode) -> Result<GuestLook>;

    /// Takes a further look at a guest; `leg` is the move that the look charges.
    fn again(&self, number: usize, leg: Option<Leg>) -> Result<GuestLook>;

    /// Lets a guest's witness rest.
    fn rest(&self, number: usize);

    /// Takes a look at source and target.
    fn hosts(&self) -> [Result<Observation>; 2];
}

impl Look for Fleet {
    fn first(&self, number: usize, leg: Option<Leg>, mode: Mode) -> Result<GuestLook> {
        let guest = &self.guests[number];
        if leg.is_some() {
            self.start_witnesses(&[Arc::clone(guest)])?;
        }
        let look = GuestLook::take(self, guest, leg)?;
        self.pace_witness(guest, Some(mode))?;
        Ok(look)
    }

    fn again(&self, number: usize, leg: Option<Leg>) -> Result<GuestLook> {
        GuestLook::take(self, &self.guests[number], leg)
    }

    fn rest(&self, number: usize) {
        // A witness that goes on writing costs the next scenario some time, and nothing else.
        let _ = self.pace_witness(&self.guests[number], None);
    }

    fn hosts(&self) -> [Result<Observation>; 2] {
        let limit = self.answer_limit();
        let seen = at_once("look at a host", self.hosts.both(), |host| host.agent.observe(limit));
        let mut seen = seen.into_iter();
        [(); 2].map(|()| seen.next().unwrap_or_else(|| Err(Failure::new("look at a host", "no result"))))
    }
}

/// Sends out looks in threads of their own. No look outlives `'scope`, the scenario.
pub struct Lookout<'scope, 'env> {
    eyes: &'env dyn Look,
    beside: Beside<'scope, 'env, CaseEvent<'env>>,
}

impl<'scope, 'env> Lookout<'scope, 'env> {
    pub fn new(
        scope: &'scope Scope<'scope, 'env>,
        eyes: &'env dyn Look,
        sender: Sender<CaseEvent<'env>>,
    ) -> Lookout<'scope, 'env> {
        Lookout { eyes, beside: Beside::new(scope, sender) }
    }

    /// Starts work beside everything else, which may send events. If it panics, `instead` is sent.
    pub fn beside(
        &self,
        what: &'static str,
        instead: CaseEvent<'env>,
        work: impl FnOnce(&Sender<CaseEvent<'env>>) + Send + 'scope,
    ) {
        self.beside.start(what, instead, work);
    }

    /// Begins the first look at a guest: [`Look::first`].
    pub fn look_first(&self, number: usize, leg: Option<Leg>, mode: Mode) {
        let eyes = self.eyes;
        let look = Err(Failure::new("look into a guest", "it panicked"));
        self.beside("look into a guest", CaseEvent::FirstLook { number, leg, look }, move |sender| {
            let look = eyes.first(number, leg, mode).map(Box::new);
            let _ = sender.send(CaseEvent::FirstLook { number, leg, look });
        });
    }

    /// Begins a look into a guest. With `pause` its witness rests afterwards, if it answered.
    pub fn look_into(&self, number: usize, leg: Option<Leg>, pause: bool) {
        let eyes = self.eyes;
        let panicked = Err(Failure::new("look into a guest", "it panicked"));
        self.beside("look into a guest", CaseEvent::Guest { number, leg, look: panicked }, move |sender| {
            let look = eyes.again(number, leg).map(Box::new);
            if pause && look.is_ok() {
                eyes.rest(number);
            }
            let _ = sender.send(CaseEvent::Guest { number, leg, look });
        });
    }

    /// Begins a look at both hosts.
    pub fn look_at_hosts(&self, leg: Option<Leg>) {
        let eyes = self.eyes;
        let panicked = || Err(Failure::new("look at a host", "it panicked"));
        let instead = CaseEvent::Hosts { leg, seen: Box::new([panicked(), panicked()]) };
        self.beside("look at the hosts", instead, move |sender| {
            let _ = sender.send(CaseEvent::Hosts { leg, seen: Box::new(eyes.hosts()) });
        });
    }
}

#[cfg(test)]
mod tests;
