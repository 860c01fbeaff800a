//! What scenarios share: built by the first, looked at before each later one, and repaired when one left damage, the smallest
//! part first.
//!
//! If it cannot be built for the first time, every scenario fails at once with the same reason: the reason is the machine. What
//! stood once and cannot be built again may have been unlucky, and the next scenarios try, [`MORE_TRIES`] times in a row.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::failure::{Failure, FailureKind, Result};
use crate::scenario::Profile;
use crate::sys::bounded;
use crate::sys::parallel::lock_within;
use crate::sys::wait::StopFlag;

/// How many scenarios in a row try to build again what stood once.
const MORE_TRIES: u32 = 2;

/// How long connections may take to close.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// What fills a slot. Its methods are the rungs of a ladder: what one of them cannot put in order, the next one is asked to.
pub trait Builder {
    /// What scenarios share.
    type Fixture;

    /// Builds the fixture of a profile on what stands, and whatever below it does not stand.
    fn build(&self, profile: &Profile) -> Result<Self::Fixture>;

    /// Looks, in milliseconds, whether what the fixture stands on is there.
    ///
    /// # Errors
    /// When it is not.
    fn glance(&self, fixture: &Self::Fixture) -> Result<()>;

    /// Looks at all of a fixture that a scenario may have damaged, and mends it in place.
    ///
    /// # Errors
    /// When that does not help, or when what it stands on is damaged, too.
    fn mend(&self, fixture: &Self::Fixture) -> Result<()>;

    /// Puts what a fixture stands on in order without taking it down, so that the fixture can be built again. `why` is what
    /// could not be mended.
    fn restore(&self, why: &Failure) -> Result<()>;

    /// Takes down what a fixture stood on, so that all of it can be built again. `why` is what could not be restored.
    fn clear(&self, why: &Failure) -> Result<()>;
}

/// Holds the fixture of a run.
pub struct Slot<B: Builder> {
    builder: B,
    state: Mutex<State<B::Fixture>>,
}

enum State<F> {
    Empty,
    Ready { fixture: Arc<F>, profile: Box<Profile>, proved: bool },
    Broken { why: Failure, tries: u32 },
}

impl<B: Builder> Slot<B>
where
    B::Fixture: Send + Sync + 'static,
{
    /// Lets go of the fixture: its connections close. One that somebody works on who hangs, or whose connections do not
    /// close, is left alone.
    pub fn release(&self) {
        let Some(mut state) = lock_within(&self.state, RELEASE_LIMIT) else { return };
        if let State::Ready { fixture, .. } = std::mem::replace(&mut *state, State::Empty) {
            let _ = bounded::answer(RELEASE_LIMIT, &StopFlag::new(), move || drop(fixture));
        }
    }
}

impl<B: Builder> Slot<B> {
    /// An empty slot.
    pub fn new(builder: B) -> Slot<B> {
        Slot { builder, state: Mutex::new(State::Empty) }
    }

    /// A slot whose fixture is known not to come up.
    pub fn broken(builder: B, why: Failure) -> Slot<B> {
        Slot { builder, state: Mutex::new(State::Broken { why, tries: 0 }) }
    }

    /// What fills it.
    pub fn builder(&self) -> &B {
        &self.builder
    }

    /// The fixture of a profile, whole.
    pub fn whole(&self, profile: &Profile) -> Result<Arc<B::Fixture>> {
        // A scenario that panicked holds nothing half-changed: the check finds what it left.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (result, tries) = match std::mem::replace(&mut *state, State::Empty) {
            State::Empty => (self.builder.build(profile).map(Arc::new), 0),
            State::Ready { fixture, profile: made, proved } if *made == *profile => {
                (self.looked_after(fixture, profile, proved), MORE_TRIES)
            }
            State::Ready { fixture, .. } => {
                drop(fixture);
                (self.built(profile), MORE_TRIES)
            }
            State::Broken { why, tries: 0 } => (Err(why), 0),
            State::Broken { why, tries } => (self.cleared(&why, profile), tries - 1),
        };
        *state = match &result {
            Ok(fixture) => State::Ready {
                fixture: Arc::clone(fixture),
                profile: Box::new(profile.clone()),
                proved: false,
            },
            // Somebody's answer stays what it is.
            Err(why) if matches!(why.kind(), FailureKind::Refused) => {
                State::Broken { why: why.clone(), tries: 0 }
            }
            Err(why) => State::Broken { why: why.clone(), tries },
        };
        result
    }

    /// A scenario's proofs found the fixture whole at its end: before the next one a glance at what it stands on is enough.
    pub fn proved(&self) {
        self.note(true);
    }

    /// Something has happened to the fixture after that.
    pub fn doubted(&self) {
        self.note(false);
    }

    fn note(&self, whole: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Ready { proved, .. } = &mut *state {
            *proved = whole;
        }
    }

    /// Something that nobody waits for any longer still works on the fixture: it is built again, with all below it.
    pub fn lost(&self, why: Failure) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Broken { why, tries: MORE_TRIES };
    }

    /// A fixture that has been used, after as close a look as is due.
    fn looked_after(
        &self,
        fixture: Arc<B::Fixture>,
        profile: &Profile,
        proved: bool,
    ) -> Result<Arc<B::Fixture>> {
        if proved && self.builder.glance(&fixture).is_ok() {
            return Ok(fixture);
        }
        match self.builder.mend(&fixture) {
            Ok(()) => Ok(fixture),
            Err(why) => {
                drop(fixture);
                self.restored(&why, profile)
            }
        }
    }

    /// Another fixture on what stands, which the last scenario may have damaged.
    fn built(&self, profile: &Profile) -> Result<Arc<B::Fixture>> {
        self.builder.build(profile).map(Arc::new).or_else(|why| self.restored(&why, profile))
    }

    fn restored(&self, why: &Failure, profile: &Profile) -> Result<Arc<B::Fixture>> {
        let built = self.builder.restore(why).and_then(|()| self.builder.build(profile));
        built.map(Arc::new).or_else(|why| self.cleared(&why, profile))
    }

    fn cleared(&self, why: &Failure, profile: &Profile) -> Result<Arc<B::Fixture>> {
        self.builder.clear(why)?;
        self.builder.build(profile).map(Arc::new)
    }
}

#[cfg(test)]
mod tests;
