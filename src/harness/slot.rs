//! The shared fixture: built by the first case, checked before each later one, repaired when one left damage. A
//! fixture that cannot be built fails the first case with the reason and the rest at once with the same.

use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::{Failure, Result};
use crate::guest::{Fleet, Guest};
use crate::scenario::Profile;

/// What the slot needs from those who fill it.
pub trait Builder: Send + Sync {
    /// Builds the fleet of a profile and all below it.
    fn build(&self, profile: &Profile) -> Result<Fleet>;
    /// Takes down what a broken fleet stood on, so that it can be built again.
    fn clear(&self) -> Result<()>;
    /// Told of every repair: what was done, and why.
    fn repaired(&self, what: &str, why: &str);
}

/// Holds the fleet of a run.
pub struct Slot {
    builder: Box<dyn Builder>,
    state: Mutex<State>,
}

enum State {
    Empty,
    Ready { fleet: Arc<Fleet>, profile: Box<Profile>, proved: bool },
    Broken(Failure),
}

impl Slot {
    pub fn new(builder: Box<dyn Builder>) -> Slot {
        Slot { builder, state: Mutex::new(State::Empty) }
    }

    /// A slot whose fixture is known not to come up.
    pub fn broken(builder: Box<dyn Builder>, failure: Failure) -> Slot {
        Slot { builder, state: Mutex::new(State::Broken(failure)) }
    }

    /// The fleet of a profile, whole.
    pub fn fleet(&self, profile: &Profile) -> Result<Arc<Fleet>> {
        // A case that panicked holds nothing half-changed: what it left is found by the check.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match std::mem::replace(&mut *state, State::Empty) {
            State::Empty => self.builder.build(profile).map(Arc::new),
            // The last scenario's proofs have just looked at everything.
            State::Ready { fleet, profile: made, proved: true } if *made == *profile => Ok(fleet),
            State::Ready { fleet, profile: made, .. } if *made == *profile => self.whole(fleet, profile),
            State::Ready { fleet, .. } => {
                drop(fleet);
                self.builder.build(profile).map(Arc::new)
            }
            State::Broken(failure) => Err(failure),
        };
        *state = match &result {
            Ok(fleet) => {
                State::Ready { fleet: Arc::clone(fleet), profile: Box::new(profile.clone()), proved: false }
            }
            Err(failure) => State::Broken(failure.clone()),
        };
        result
    }

    /// Says that a scenario's proofs found the fleet whole at its end.
    pub fn proved(&self) {
        self.note(true);
    }

    /// Says that something has happened to the fleet after that.
    pub fn doubted(&self) {
        self.note(false);
    }

    fn note(&self, whole: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Ready { proved, .. } = &mut *state {
            *proved = whole;
        }
    }

    /// Lets go of the fleet: its connections close.
    pub fn release(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Empty;
    }

    fn whole(&self, fleet: Arc<Fleet>, profile: &Profile) -> Result<Arc<Fleet>> {
        fleet.clear_strays()?;
        let damage = fleet.damage();
        if damage.is_empty() {
            return Ok(fleet);
        }
        let guests: Vec<Arc<Guest>> = damage.iter().map(|(guest, _)| Arc::clone(guest)).collect();
        let names: Vec<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
        let why: Vec<String> = damage.iter().map(|(guest, why)| format!("{}: {why}", guest.name)).collect();
        self.builder.repaired(&format!("renew {}", names.join(", ")), &why.join("; "));
        let Err(failure) = fleet.renew(&guests) else { return Ok(fleet) };
        // New guests did not help: the hosts themselves are damaged.
        self.builder.repaired("rebuild the hosts and the whole fleet", &failure.to_string());
        drop(fleet);
        self.builder.clear()?;
        self.builder.build(profile).map(Arc::new)
    }
}
