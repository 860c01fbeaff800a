//! The fixture that scenarios share. The first scenario builds it, each later one looks at it first, and repairs go from
//! the smallest part upwards.
//!
//! If the first build fails, the next scenario tries once more, and then every scenario fails immediately with that reason, since the
//! machine is the reason. A later build may have failed by bad luck: the next scenarios try again, [`MORE_TRIES`] times in a row.
//! What is refused, or was missing from the beginning, stays so, and is not tried again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::failure::{Failure, FailureKind, Result};
use crate::scenario::Profile;
use crate::sys::bounded;
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;

/// How many scenarios in a row try again to build a fixture that stood before.
const MORE_TRIES: u32 = 2;

/// How many scenarios in a row try again after the first build.
const FIRST_TRIES: u32 = 1;

/// How long connections may take to close.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// Builds and repairs the fixture of a slot. The methods are the rungs of a ladder: where one does not help, the next one
/// follows.
pub trait Builder {
    /// The fixture that scenarios share.
    type Fixture;

    /// Builds the fixture of a profile, and whatever is missing below it.
    fn build(&self, profile: &Profile) -> Result<Self::Fixture>;

    /// Checks within milliseconds that everything below the fixture answers.
    ///
    /// # Errors
    ///
    /// Something below the fixture does not answer.
    fn glance(&self, fixture: &Self::Fixture) -> Result<()>;

    /// Looks at every part of the fixture that a scenario may have damaged, and mends it in place. `is_news` says that the last scenario
    /// found no damage: what guests have lost since their last looks nobody has reported, and the next scenario is to.
    ///
    /// # Errors
    ///
    /// The repair does not help, or something below the fixture is damaged as well.
    fn mend(&self, fixture: &Self::Fixture, is_news: bool) -> Result<()>;

    /// Takes leave of a fixture that makes room for one of the profile `next`. What befell it since the last scenario is to be reported
    /// by the next one; `is_news` is as for [`Builder::mend`].
    fn leave(&self, fixture: &Self::Fixture, is_news: bool, next: &Profile);

    /// Repairs what is below the fixture without taking it down, so that the fixture can be built again. `why` is the
    /// failure of [`Builder::mend`] or of a build.
    fn restore(&self, why: &Failure) -> Result<()>;

    /// Takes everything below the fixture down, so that all of it can be built again. `why` is the failure of
    /// [`Builder::restore`] or of the build after it.
    fn clear(&self, why: &Failure) -> Result<()>;
}

/// Holds the fixture of a run.
pub struct Slot<B: Builder> {
    builder: B,
    held: Mutex<SlotContent<B::Fixture>>,
}

/// What the slot holds. Nobody works on a fixture with this locked: work that hangs is given up.
struct SlotContent<F> {
    state: State<F>,
    /// Changes whenever somebody takes the state or gives it up: whoever took it before may put nothing back.
    turn: u64,
    /// Whether there ever was a fixture.
    stood: bool,
}

enum State<F> {
    Empty,
    Ready { fixture: Arc<F>, profile: Box<Profile>, last_use: LastUse },
    Broken { why: Failure, tries: u32 },
}

/// What the last use of the fixture says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastUse {
    /// Nobody knows: it had findings or an error, was interrupted, or has not ended.
    InDoubt,
    /// It proved nothing, and found no damage: the stack refused it.
    Unproved,
    /// Its proofs found all of it whole.
    Proved,
}

impl LastUse {
    /// Whether nobody has reported what has befallen the fixture since its parts were last seen.
    fn is_news(self) -> bool {
        self != LastUse::InDoubt
    }
}

impl<B: Builder> Slot<B>
where
    B::Fixture: Send + Sync + 'static,
{
    /// Lets go of the fixture, whose connections then close. It gives up on a fixture in use by a thread that hangs, and on
    /// connections that do not close.
    pub fn release(&self) {
        if let State::Ready { fixture, .. } = self.take().0 {
            let _ = bounded::answer(RELEASE_LIMIT, &StopFlag::new(), move || drop(fixture));
        }
    }
}

impl<B: Builder> Slot<B> {
    /// An empty slot.
    pub fn new(builder: B) -> Slot<B> {
        Slot { builder, held: Mutex::new(SlotContent { state: State::Empty, turn: 0, stood: false }) }
    }

    /// A slot whose fixture is known to be impossible.
    pub fn broken(builder: B, why: Failure) -> Slot<B> {
        Slot {
            builder,
            held: Mutex::new(SlotContent { state: State::Broken { why, tries: 0 }, turn: 0, stood: false }),
        }
    }

    /// The fixture, if there is one, and whether the last scenario found no damage to it.
    pub fn held(&self) -> Option<(Arc<B::Fixture>, bool)> {
        match &locked(&self.held).state {
            State::Ready { fixture, last_use, .. } => Some((Arc::clone(fixture), last_use.is_news())),
            State::Empty | State::Broken { .. } => None,
        }
    }

    /// The builder of the slot's fixture.
    pub fn builder(&self) -> &B {
        &self.builder
    }

    /// The fixture of a profile, whole.
    pub fn whole(&self, profile: &Profile) -> Result<Arc<B::Fixture>> {
        let (state, turn) = self.take();
        let (result, tries) = match state {
            State::Empty => (self.builder.build(profile).map(Arc::new), FIRST_TRIES),
            State::Ready { fixture, profile: made, last_use } if *made == *profile => {
                (self.looked_after(fixture, profile, last_use, turn), MORE_TRIES)
            }
            State::Ready { fixture, last_use, .. } => {
                self.builder.leave(&fixture, last_use.is_news(), profile);
                drop(fixture);
                (self.built(profile, turn), MORE_TRIES)
            }
            State::Broken { why, tries: 0 } => (Err(why), 0),
            State::Broken { why, tries } => (self.cleared(&why, profile, turn), tries - 1),
        };
        let mut held = locked(&self.held);
        if held.turn != turn {
            return Err(given_up());
        }
        held.stood |= result.is_ok();
        held.state = match &result {
            Ok(fixture) => State::Ready {
                fixture: Arc::clone(fixture),
                profile: Box::new(profile.clone()),
                last_use: LastUse::InDoubt,
            },
            Err(why) if why.kind() == FailureKind::Refused || is_lacking(why, held.stood) => {
                State::Broken { why: why.clone(), tries: 0 }
            }
            Err(why) => State::Broken { why: why.clone(), tries },
        };
        result
    }

    /// Notes that a scenario's proofs found the fixture whole: a glance is enough before the next scenario.
    pub fn proved(&self) {
        self.note(LastUse::Proved);
    }

    /// Notes that a scenario was refused, which proves nothing and found no damage: it needs a look as after a failure, and what
    /// that finds is news.
    pub fn unproved(&self) {
        self.note(LastUse::Unproved);
    }

    /// Notes that something happened to the fixture after that proof.
    pub fn doubted(&self) {
        self.note(LastUse::InDoubt);
    }

    fn note(&self, now: LastUse) {
        if let State::Ready { last_use, .. } = &mut locked(&self.held).state {
            *last_use = now;
        }
    }

    /// Gives the fixture up, because an abandoned thread still works on it. The next scenario builds another one, with
    /// everything below it.
    pub fn lost(&self, why: Failure) {
        let mut held = locked(&self.held);
        held.turn += 1;
        // A first build that hung would take as long again.
        let tries = if held.stood { MORE_TRIES } else { 0 };
        let lost = std::mem::replace(&mut held.state, State::Broken { why, tries });
        drop(held);
        // Its connections may hang as well, and the thread that hangs has the fixture, too: the last of both closes it.
        drop(lost);
    }

    /// The state, for work on it.
    fn take(&self) -> (State<B::Fixture>, u64) {
        let mut held = locked(&self.held);
        held.turn += 1;
        (std::mem::replace(&mut held.state, State::Empty), held.turn)
    }

    /// Returns a used fixture after the look that is due.
    fn looked_after(
        &self,
        fixture: Arc<B::Fixture>,
        profile: &Profile,
        last_use: LastUse,
        turn: u64,
    ) -> Result<Arc<B::Fixture>> {
        if last_use == LastUse::Proved && self.builder.glance(&fixture).is_ok() {
            return Ok(fixture);
        }
        match self.builder.mend(&fixture, last_use.is_news()) {
            Ok(()) => Ok(fixture),
            Err(why) => {
                drop(fixture);
                self.restored(&why, profile, turn)
            }
        }
    }

    /// Builds another fixture on standing hosts, which the last scenario may have damaged.
    fn built(&self, profile: &Profile, turn: u64) -> Result<Arc<B::Fixture>> {
        self.builder.build(profile).map(Arc::new).or_else(|why| self.restored(&why, profile, turn))
    }

    fn restored(&self, why: &Failure, profile: &Profile, turn: u64) -> Result<Arc<B::Fixture>> {
        self.still_has(turn)?;
        let built = self.builder.restore(why).and_then(|()| {
            self.still_has(turn)?;
            self.builder.build(profile)
        });
        built.map(Arc::new).or_else(|why| self.cleared(&why, profile, turn))
    }

    fn cleared(&self, why: &Failure, profile: &Profile, turn: u64) -> Result<Arc<B::Fixture>> {
        self.still_has(turn)?;
        self.builder.clear(why)?;
        self.still_has(turn)?;
        self.builder.build(profile).map(Arc::new)
    }

    /// Before each repair: the hosts belong to the next scenario once this one was given up.
    fn still_has(&self, turn: u64) -> Result<()> {
        if locked(&self.held).turn == turn { Ok(()) } else { Err(given_up()) }
    }
}

/// Whether the machine lacks what a first build needs. What a later build misses, a repair may bring back.
fn is_lacking(why: &Failure, stood: bool) -> bool {
    why.kind() == FailureKind::Missing && !stood
}

fn given_up() -> Failure {
    Failure::new("use the fleet", "whoever waited for it has given it up")
}

#[cfg(test)]
mod tests;
