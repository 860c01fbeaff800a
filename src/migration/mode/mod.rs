//! The modes: what each asks of libvirt, and when its play is worth another. One file each.

mod policy;
mod postcopy;
mod precopy;

use super::{Again, LegReport, Pace};
use crate::scenario::Mode;
pub use policy::ModePolicy;

pub fn of(mode: Mode) -> &'static ModePolicy {
    match mode {
        Mode::Precopy => &precopy::POLICY,
        Mode::Postcopy => &postcopy::POLICY,
    }
}

/// Whether a scenario of this mode is worth another play after these legs.
pub fn again<'a>(mode: Mode, pace: Pace, legs: impl IntoIterator<Item = &'a LegReport>) -> Option<Again> {
    let legs: Vec<&LegReport> = legs.into_iter().collect();
    (of(mode).again)(pace, &legs)
}

/// A pace at which the migrations of a step of this mode are under way together.
pub fn together(mode: Mode, pace: Pace) -> Pace {
    (of(mode).together)(pace)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::failure::Cause;

    fn switched() -> LegReport {
        LegReport { switchover: Some(Duration::from_secs(1)), ..LegReport::default() }
    }

    fn failed() -> LegReport {
        LegReport { error: Some(Cause::from("no")), ..LegReport::default() }
    }

    #[test]
    fn a_missed_switch_is_worth_one_more_play() {
        let first = again(Mode::Postcopy, Pace::default(), &[switched(), LegReport::default()]).unwrap();
        assert_eq!(first.explains, 1);
        assert_eq!(again(Mode::Postcopy, first.pace, &[LegReport::default()]), None);
    }

    #[test]
    fn another_play_switches_amid_its_first_pass() {
        let first = again(Mode::Postcopy, Pace::default(), &[LegReport::default()]).unwrap();
        assert_eq!((Pace::default().switch_in_pass(), first.pace.switch_in_pass()), (2, 1));
        assert_eq!(first.pace.slowed(2).switch_in_pass(), 1, "whatever else is slower, too");
    }

    #[test]
    fn every_missed_switch_explains_a_finding() {
        let legs = [LegReport::default(), switched(), LegReport::default()];
        assert_eq!(again(Mode::Postcopy, Pace::default(), &legs).unwrap().explains, 2);
    }

    #[test]
    fn a_play_that_switched_everywhere_is_over() {
        assert_eq!(again(Mode::Postcopy, Pace::default(), &[switched(), switched()]), None);
    }

    #[test]
    fn a_leg_that_failed_is_not_played_away() {
        assert_eq!(again(Mode::Postcopy, Pace::default(), &[LegReport::default(), failed()]), None);
    }

    #[test]
    fn a_pre_copy_scenario_has_no_switch_to_miss() {
        assert_eq!(again(Mode::Precopy, Pace::default(), &[LegReport::default()]), None);
    }

    #[test]
    fn moves_that_did_not_overlap_are_slower_in_another_play() {
        let pre_copy = together(Mode::Precopy, Pace::default());
        assert!(pre_copy.gathers() && !Pace::default().gathers());
        assert_eq!(together(Mode::Postcopy, Pace::default()).of(32), 2);
    }

    #[test]
    fn nothing_is_sent_slower_than_a_mebibyte_a_second() {
        assert_eq!(Pace::default().of(32), 32);
        assert_eq!(Pace::default().slowed(4).of(32), 8);
        assert_eq!(Pace::default().slowed(4).slowed(16).of(32), 1);
    }
}
