//! The shared fixture: built by the first case, checked before each later one, repaired when one left damage. A
//! fixture that cannot be built fails the first case with the reason and the rest at once with the same.

use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::{Done, Failure};
use crate::guest::{Fleet, Guest};

/// What the slot needs from those who fill it.
pub trait Builder: Send + Sync {
    /// Builds the fleet and all below it.
    fn build(&self) -> Done<Fleet>;
    /// Takes down what a broken fleet stood on, so that it can be built again.
    fn clear(&self) -> Done<()>;
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
    Ready(Arc<Fleet>),
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

    /// The fleet, whole.
    pub fn fleet(&self) -> Done<Arc<Fleet>> {
        // A case that panicked holds nothing half-changed: what it left is found by the check.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match std::mem::replace(&mut *state, State::Empty) {
            State::Empty => self.builder.build().map(Arc::new),
            State::Ready(fleet) => self.whole(fleet),
            State::Broken(failure) => Err(failure),
        };
        *state = match &result {
            Ok(fleet) => State::Ready(Arc::clone(fleet)),
            Err(failure) => State::Broken(failure.clone()),
        };
        result
    }

    /// Lets go of the fleet: its connections close.
    pub fn release(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Empty;
    }

    fn whole(&self, fleet: Arc<Fleet>) -> Done<Arc<Fleet>> {
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
        self.builder.build().map(Arc::new)
    }
}
