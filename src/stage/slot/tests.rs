use std::cell::RefCell;
use std::collections::VecDeque;

use rstest::rstest;

use super::*;
use crate::failure::Cause;
use crate::scenario::ScenarioFile;
use crate::sys::parallel::locked;

type Answers = VecDeque<Result<()>>;

/// A builder that notes its calls and answers by a script. A call without a scripted answer succeeds.
#[derive(Default)]
struct Script {
    asked: Arc<Mutex<Vec<String>>>,
    answers: RefCell<Vec<(&'static str, Answers)>>,
    builds: RefCell<usize>,
}

impl Script {
    /// Scripts the next answers of `rung`.
    fn says(self, rung: &'static str, answers: impl IntoIterator<Item = Result<()>>) -> Script {
        self.answers.borrow_mut().push((rung, answers.into_iter().collect()));
        self
    }

    fn answer(&self, rung: &str, what: String) -> Result<()> {
        locked(&self.asked).push(what);
        let mut answers = self.answers.borrow_mut();
        let next = answers.iter_mut().find(|(name, _)| *name == rung).and_then(|(_, left)| left.pop_front());
        next.unwrap_or(Ok(()))
    }
}

impl Builder for Script {
    type Fixture = Built;

    fn build(&self, profile: &Profile) -> Result<Built> {
        self.answer("build", format!("build {}", profile.guests))?;
        *self.builds.borrow_mut() += 1;
        Ok(Built { number: *self.builds.borrow(), asked: Arc::clone(&self.asked) })
    }

    fn glance(&self, fixture: &Built) -> Result<()> {
        self.answer("glance", format!("glance {}", fixture.number))
    }

    fn mend(&self, fixture: &Built, is_news: bool) -> Result<()> {
        let was = if is_news { ", whose damage is news" } else { "" };
        self.answer("mend", format!("mend {}{was}", fixture.number))
    }

    fn leave(&self, fixture: &Built, is_news: bool, next: &Profile) {
        let was = if is_news { ", whose damage is news," } else { "" };
        let asked = format!("leave {}{was} for {} guests", fixture.number, next.guests);
        locked(&self.asked).push(asked);
    }

    fn restore(&self, why: &Failure) -> Result<()> {
        self.answer("restore", format!("restore: {}", why.cause))
    }

    fn clear(&self, why: &Failure) -> Result<()> {
        self.answer("clear", format!("clear: {}", why.cause))
    }
}

/// A fixture with the number of its build, which notes when its connections close.
#[derive(Debug)]
struct Built {
    number: usize,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Drop for Built {
    fn drop(&mut self) {
        locked(&self.asked).push(format!("close {}", self.number));
    }
}

fn profile(guests: u32) -> Profile {
    let file = ScenarioFile::parse("scenarios.toml", include_str!("../../../scenarios.toml")).unwrap();
    Profile { guests, ..file.profile("lab").unwrap().clone() }
}

fn broken(why: &str) -> Result<()> {
    Err(Failure::new("do it", why))
}

fn asked(slot: &Slot<Script>) -> Vec<String> {
    locked(&slot.builder.asked).drain(..).collect()
}

/// A filled slot, whose builder answers by the script from then on.
fn filled(script: Script) -> Slot<Script> {
    let slot = Slot::new(script);
    slot.whole(&profile(3)).unwrap();
    asked(&slot);
    slot
}

#[test]
fn scenarios_share_one_fixture() {
    let slot = Slot::new(Script::default());
    assert_eq!(slot.whole(&profile(3)).unwrap().number, 1);
    assert_eq!(slot.whole(&profile(3)).unwrap().number, 1);
    assert_eq!(asked(&slot), ["build 3", "mend 1"]);
}

#[test]
fn a_fixture_that_was_proved_is_only_glanced_at() {
    let slot = filled(Script::default());
    slot.proved();
    slot.whole(&profile(3)).unwrap();
    assert_eq!(asked(&slot), ["glance 1"]);
    // The proof counts for one scenario only.
    slot.whole(&profile(3)).unwrap();
    assert_eq!(asked(&slot), ["mend 1"]);
    slot.proved();
    slot.doubted();
    slot.whole(&profile(3)).unwrap();
    assert_eq!(asked(&slot), ["mend 1"]);
}

#[test]
fn what_was_lost_after_the_proof_is_mended_and_known_as_that() {
    let slot = filled(Script::default().says("glance", [broken("closed")]));
    slot.proved();
    slot.whole(&profile(3)).unwrap();
    assert_eq!(asked(&slot), ["glance 1", "mend 1, whose damage is news"]);
    // The scenario after it has not proved anything yet.
    slot.whole(&profile(3)).unwrap();
    assert_eq!(asked(&slot), ["mend 1"]);
}

#[test]
fn after_a_refusal_a_fixture_is_mended_and_its_damage_is_news() {
    let slot = filled(Script::default());
    slot.unproved();
    assert!(slot.held().unwrap().1);
    slot.whole(&profile(3)).unwrap();
    assert_eq!(asked(&slot), ["mend 1, whose damage is news"]);
    assert!(!slot.held().unwrap().1, "the scenario has not ended");
    slot.unproved();
    slot.whole(&profile(2)).unwrap();
    assert_eq!(asked(&slot)[0], "leave 1, whose damage is news, for 2 guests");
}

#[test]
fn another_profile_gets_another_fixture() {
    let slot = filled(Script::default());
    slot.proved();
    assert_eq!(slot.whole(&profile(2)).unwrap().number, 2);
    let expected = ["leave 1, whose damage is news, for 2 guests", "close 1", "build 2"];
    assert_eq!(
        asked(&slot),
        expected,
        "one holds the hosts at a time, and what befell the first is asked before"
    );
    slot.whole(&profile(3)).unwrap();
    assert_eq!(asked(&slot)[0], "leave 2 for 3 guests");
}

/// A slot makes the smallest repair that helps, and none above it. Nothing holds hosts on which more than the fixture needs
/// repair.
#[rstest]
#[case::mended(&[], &["mend 1"])]
#[case::restored(&[("mend", 1)], &["mend 1", "close 1", "restore: mend", "build 3"])]
#[case::not_restored(&[("mend", 1), ("restore", 1)], &["mend 1", "close 1", "restore: mend", "clear: restore", "build 3"])]
#[case::restored_in_vain(
    &[("mend", 1), ("build", 1)],
    &["mend 1", "close 1", "restore: mend", "build 3", "clear: build", "build 3"]
)]
fn the_smallest_repair_comes_first(#[case] fails: &[(&'static str, usize)], #[case] expected: &[&str]) {
    let slot = filled(Script::default());
    for (rung, times) in fails {
        slot.builder.answers.borrow_mut().push((rung, (0..*times).map(|_| broken(rung)).collect()));
    }
    slot.whole(&profile(3)).unwrap();
    assert_eq!(asked(&slot), expected);
}

#[test]
fn another_fixture_that_cannot_be_built_climbs_the_same_ladder() {
    let slot = filled(Script::default().says("build", [Ok(()), broken("closed"), broken("dead host")]));
    slot.whole(&profile(2)).unwrap();
    let expected = [
        "leave 1 for 2 guests",
        "close 1",
        "build 2",
        "restore: closed",
        "build 2",
        "clear: dead host",
        "build 2",
    ];
    assert_eq!(asked(&slot), expected);
}

#[test]
fn a_first_build_that_failed_is_tried_once_more() {
    let slot = Slot::new(Script::default().says("build", [broken("a guest was reset")]));
    slot.whole(&profile(3)).unwrap_err();
    assert_eq!(slot.whole(&profile(3)).unwrap().number, 1);
    assert_eq!(asked(&slot), ["build 3", "clear: a guest was reset", "build 3"]);
}

#[test]
fn two_failures_to_build_fail_every_scenario_with_their_reason() {
    let slot = Slot::new(Script::default().says("build", [broken("no room"), broken("still no room")]));
    slot.whole(&profile(3)).unwrap_err();
    let second = slot.whole(&profile(3)).unwrap_err();
    asked(&slot);
    assert_eq!(slot.whole(&profile(3)).unwrap_err(), second);
    assert_eq!(asked(&slot), [""; 0], "the third scenario does not try again");
}

#[test]
fn what_a_machine_lacks_is_not_tried_again() {
    let lacks = || Failure::new("do it", Cause::new(FailureKind::Missing, "no mmdebstrap"));
    let slot = Slot::new(Script::default().says("build", [Err(lacks())]));
    assert_eq!(slot.whole(&profile(3)).unwrap_err(), lacks());
    assert_eq!(slot.whole(&profile(3)).unwrap_err(), lacks());
    assert_eq!(asked(&slot), ["build 3"]);
}

#[test]
fn what_stood_once_is_tried_again_by_the_next_scenarios() {
    let lost = || (0..9).map(|_| broken("lost"));
    let slot = filled(Script::default().says("mend", lost()).says("restore", lost()).says("clear", lost()));
    for _ in 0..=MORE_TRIES {
        slot.whole(&profile(3)).unwrap_err();
    }
    assert!(!asked(&slot).is_empty());
    slot.whole(&profile(3)).unwrap_err();
    assert!(asked(&slot).is_empty(), "it has been tried often enough");
}

#[test]
fn a_second_try_that_helps_is_as_good_as_a_first() {
    let script = Script::default().says("mend", [broken("lost")]).says("restore", [broken("gone")]);
    let slot = filled(script.says("clear", [broken("busy")]));
    slot.whole(&profile(3)).unwrap_err();
    assert_eq!(slot.whole(&profile(3)).unwrap().number, 2);
}

#[test]
fn who_refuses_is_not_asked_again() {
    let refused = Failure::new("clear it", Cause::new(FailureKind::Refused, "it is somebody's"));
    let slot =
        filled(Script::default().says("mend", [broken("dead host")]).says("restore", [broken("gone")]));
    slot.builder.answers.borrow_mut().push(("clear", [Err(refused)].into()));
    assert!(slot.whole(&profile(3)).unwrap_err().to_string().contains("it is somebody's"));
    asked(&slot);
    assert!(slot.whole(&profile(3)).unwrap_err().to_string().contains("it is somebody's"));
    assert_eq!(asked(&slot), Vec::<String>::new());
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
