//! The pace of a play: how fast it sends, when it switches to post-copy, and whether another play at another pace is worth
//! it. The mode decides all three; the rest of the code only passes the pace on.

use super::{LegReport, mode};
use crate::scenario::Mode;

/// The pass that begins when the first one is over. virsh's --postcopy-after-precopy waits for it (tools/virsh-domain.c,
/// virshMigrateIteration).
const SECOND_PASS: i32 = 2;

/// The pace of one play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    slower: u64,
    switch_in_pass: i32,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace::DEFAULT
    }
}

impl Pace {
    /// The profile's own pace.
    pub const DEFAULT: Pace = Pace { slower: 1, switch_in_pass: SECOND_PASS };

    /// A pace so many times slower.
    pub(crate) fn slowed(self, times: u64) -> Pace {
        Pace { slower: self.slower * times, ..self }
    }

    /// A pace that switches to post-copy at the beginning of that pass over the memory, counted from 1.
    pub(super) fn switching_in(self, pass: i32) -> Pace {
        Pace { switch_in_pass: pass, ..self }
    }

    /// The pass over the memory that begins with the order to switch to post-copy, in a mode that switches.
    pub(super) fn switch_in_pass(self) -> i32 {
        self.switch_in_pass
    }

    /// A bandwidth at this pace, in MiB/s: at least 1.
    pub(super) fn of(self, mib: u64) -> u64 {
        (mib / self.slower).max(1)
    }
}

/// One more play of a scenario, at its own pace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    pub pace: Pace,
    /// Why the play before it came to nothing.
    pub why: &'static str,
    /// How many findings of the play before it this reason explains: one for each leg that came to nothing.
    pub explains: usize,
}

/// Whether a scenario of this mode is worth another play after these legs.
pub fn again<'a>(mode: Mode, pace: Pace, legs: impl IntoIterator<Item = &'a LegReport>) -> Option<Again> {
    let legs: Vec<&LegReport> = legs.into_iter().collect();
    (mode::of(mode).again)(pace, &legs)
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
    fn nothing_is_sent_slower_than_a_mebibyte_a_second() {
        assert_eq!(Pace::default().of(32), 32);
        assert_eq!(Pace::default().slowed(4).of(32), 8);
        assert_eq!(Pace::default().slowed(4).slowed(16).of(32), 1);
    }
}
