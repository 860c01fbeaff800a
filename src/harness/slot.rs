//! The shared fixture: built by the first case, checked before each later one, repaired when one left damage.
//!
//! If the fixture cannot be built, every case fails at once with the same reason.

use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::{Failure, Result};
use crate::scenario::Profile;

/// What fills a slot.
pub trait Builder {
    /// What cases share.
    type Fixture;

    /// Builds the fixture of a profile and all below it.
    fn build(&self, profile: &Profile) -> Result<Self::Fixture>;

    /// Looks at a fixture that a case may have damaged, and mends it in place.
    ///
    /// # Errors
    /// When what it stands on is damaged, too.
    fn mend(&self, fixture: &Self::Fixture) -> Result<()>;

    /// Takes down what a broken fixture stood on, so that it can be built again. `why` is what could not be mended.
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
    Broken(Failure),
}

impl<B: Builder> Slot<B> {
    /// An empty slot.
    pub fn new(builder: B) -> Slot<B> {
        Slot { builder, state: Mutex::new(State::Empty) }
    }

    /// A slot whose fixture is known not to come up.
    pub fn broken(builder: B, failure: Failure) -> Slot<B> {
        Slot { builder, state: Mutex::new(State::Broken(failure)) }
    }

    /// The fixture of a profile, whole.
    pub fn whole(&self, profile: &Profile) -> Result<Arc<B::Fixture>> {
        // A case that panicked holds nothing half-changed: the check finds what it left.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match std::mem::replace(&mut *state, State::Empty) {
            State::Empty => self.builder.build(profile).map(Arc::new),
            // The last scenario's proofs have just looked at everything.
            State::Ready { fixture, profile: made, proved: true } if *made == *profile => Ok(fixture),
            State::Ready { fixture, profile: made, .. } if *made == *profile => self.mended(fixture, profile),
            State::Ready { fixture, .. } => {
                drop(fixture);
                self.builder.build(profile).map(Arc::new)
            }
            State::Broken(failure) => Err(failure),
        };
        *state = match &result {
            Ok(fixture) => State::Ready {
                fixture: Arc::clone(fixture),
                profile: Box::new(profile.clone()),
                proved: false,
            },
            Err(failure) => State::Broken(failure.clone()),
        };
        result
    }

    /// A scenario's proofs found the fixture whole at its end: it need not be looked at before the next one.
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

    /// Lets go of the fixture: its connections close.
    pub fn release(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Empty;
    }

    fn mended(&self, fixture: Arc<B::Fixture>, profile: &Profile) -> Result<Arc<B::Fixture>> {
        let Err(why) = self.builder.mend(&fixture) else { return Ok(fixture) };
        drop(fixture);
        self.builder.clear(&why)?;
        self.builder.build(profile).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;

    use super::*;
    use crate::scenario::ScenarioFile;

    /// A builder that notes what is asked of it, and answers as it is scripted; with nothing scripted, well.
    #[derive(Default)]
    struct Script {
        asked: Rc<RefCell<Vec<String>>>,
        builds: RefCell<VecDeque<Result<()>>>,
        mends: RefCell<VecDeque<Result<()>>>,
        clears: RefCell<VecDeque<Result<()>>>,
    }

    impl Script {
        fn answer(&self, what: &str, answers: &RefCell<VecDeque<Result<()>>>) -> Result<()> {
            self.asked.borrow_mut().push(what.to_owned());
            answers.borrow_mut().pop_front().unwrap_or(Ok(()))
        }
    }

    impl Builder for Script {
        type Fixture = Built;

        fn build(&self, profile: &Profile) -> Result<Built> {
            self.answer(&format!("build {}", profile.guests), &self.builds)?;
            Ok(Built { guests: profile.guests, asked: Rc::clone(&self.asked) })
        }

        fn mend(&self, fixture: &Built) -> Result<()> {
            self.answer(&format!("mend {}", fixture.guests), &self.mends)
        }

        fn clear(&self, _: &Failure) -> Result<()> {
            self.answer("clear", &self.clears)
        }
    }

    /// A fixture that notes when its connections close.
    #[derive(Debug)]
    struct Built {
        guests: u32,
        asked: Rc<RefCell<Vec<String>>>,
    }

    impl Drop for Built {
        fn drop(&mut self) {
            self.asked.borrow_mut().push(format!("close {}", self.guests));
        }
    }

    fn profile(guests: u32) -> Profile {
        let file = ScenarioFile::parse("scenarios.toml", include_str!("../../scenarios.toml")).unwrap();
        Profile { guests, ..file.profile("lab").unwrap().clone() }
    }

    fn broken(why: &str) -> Result<()> {
        Err(Failure::new("do it", why))
    }

    fn asked(slot: &Slot<Script>) -> Vec<String> {
        slot.builder.asked.borrow_mut().drain(..).collect()
    }

    #[test]
    fn cases_share_one_fixture() {
        let slot = Slot::new(Script::default());
        let first = slot.whole(&profile(3)).unwrap();
        assert!(Arc::ptr_eq(&first, &slot.whole(&profile(3)).unwrap()));
        assert_eq!(asked(&slot), ["build 3", "mend 3"]);
    }

    #[test]
    fn a_fixture_that_was_proved_is_not_looked_at_again() {
        let slot = Slot::new(Script::default());
        slot.whole(&profile(3)).unwrap();
        slot.proved();
        slot.whole(&profile(3)).unwrap();
        assert_eq!(asked(&slot), ["build 3"]);
        // The proof counts for one case only.
        slot.whole(&profile(3)).unwrap();
        assert_eq!(asked(&slot), ["mend 3"]);
        slot.proved();
        slot.doubted();
        slot.whole(&profile(3)).unwrap();
        assert_eq!(asked(&slot), ["mend 3"]);
    }

    #[test]
    fn another_profile_gets_another_fixture() {
        let slot = Slot::new(Script::default());
        slot.whole(&profile(3)).unwrap();
        slot.proved();
        assert_eq!(slot.whole(&profile(2)).unwrap().guests, 2);
        assert_eq!(asked(&slot), ["build 3", "close 3", "build 2"], "one holds the hosts at a time");
    }

    #[test]
    fn what_cannot_be_mended_is_built_anew() {
        let script = Script { mends: RefCell::new([broken("dead host")].into()), ..Script::default() };
        let slot = Slot::new(script);
        slot.whole(&profile(3)).unwrap();
        slot.whole(&profile(3)).unwrap();
        let expected = ["build 3", "mend 3", "close 3", "clear", "build 3"];
        assert_eq!(asked(&slot), expected, "nothing holds hosts that are cleared");
    }

    #[test]
    fn one_failure_to_build_fails_every_case_with_its_reason() {
        let slot =
            Slot::new(Script { builds: RefCell::new([broken("no room")].into()), ..Script::default() });
        let first = slot.whole(&profile(3)).unwrap_err();
        assert_eq!(slot.whole(&profile(3)).unwrap_err(), first);
        assert_eq!(asked(&slot), ["build 3"], "the second case does not try again");
    }

    #[test]
    fn what_cannot_be_cleared_breaks_the_slot() {
        let script = Script {
            mends: RefCell::new([broken("dead host")].into()),
            clears: RefCell::new([broken("it is somebody's")].into()),
            ..Script::default()
        };
        let slot = Slot::new(script);
        slot.whole(&profile(3)).unwrap();
        assert!(slot.whole(&profile(3)).unwrap_err().to_string().contains("it is somebody's"));
        assert!(slot.whole(&profile(3)).unwrap_err().to_string().contains("it is somebody's"));
        assert_eq!(asked(&slot), ["build 3", "mend 3", "close 3", "clear"]);
    }

    #[test]
    fn a_slot_that_is_known_to_be_broken_builds_nothing() {
        let slot = Slot::broken(Script::default(), Failure::new("prepare", "no packages"));
        assert!(slot.whole(&profile(3)).is_err());
        assert_eq!(asked(&slot), Vec::<String>::new());
    }

    #[test]
    fn what_was_released_is_gone() {
        let slot = Slot::new(Script::default());
        let fixture = slot.whole(&profile(3)).unwrap();
        slot.release();
        assert_eq!(Arc::strong_count(&fixture), 1);
    }
}
