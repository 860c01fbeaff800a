//! The pace of a play: how fast it sends, when it switches to post-copy, and whether another play at another pace is worth
//! it. The mode decides all three; the rest of the code only passes the pace on.

use std::time::Duration;

/// The pass that begins when the first one is over. virsh's --postcopy-after-precopy waits for it (tools/virsh-domain.c,
/// virshMigrateIteration).
const SECOND_PASS: i32 = 2;

/// The pace of one play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    slower: u64,
    switch_in_pass: i32,
    switch_after: Duration,
    gathers: bool,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace::DEFAULT
    }
}

impl Pace {
    /// The profile's own pace.
    pub const DEFAULT: Pace =
        Pace { slower: 1, switch_in_pass: SECOND_PASS, switch_after: Duration::ZERO, gathers: false };

    /// A pace so many times slower.
    pub(crate) fn slowed(self, times: u64) -> Pace {
        Pace { slower: self.slower * times, ..self }
    }

    /// A pace that switches to post-copy so long after the beginning of that pass over the memory, counted from 1, or when it is over.
    pub(super) fn switching_in(self, pass: i32, after: Duration) -> Pace {
        Pace { switch_in_pass: pass, switch_after: after, ..self }
    }

    /// A pace that holds the first pass back, so that migrations that begin at different moments are under way together.
    pub(super) fn gathering(self) -> Pace {
        Pace { gathers: true, ..self }
    }

    /// Whether the first pass is held back.
    pub(super) fn gathers(self) -> bool {
        self.gathers
    }

    /// The pass over the memory in which the order to switch to post-copy comes, in a mode that switches.
    pub(super) fn switch_in_pass(self) -> i32 {
        self.switch_in_pass
    }

    /// How long after the beginning of that pass the order comes.
    pub(super) fn switch_after(self) -> Duration {
        self.switch_after
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
