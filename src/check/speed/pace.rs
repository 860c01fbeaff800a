//! How a guest was doing between two moments, by what it told of itself.

use std::time::{Duration, Instant};

use crate::check::GuestPace;
use crate::probe::Gap;

#[cfg(test)]
impl GuestPace {
    /// A guest that is heard of until then, and of which nothing else is known.
    pub(super) fn in_a_test(heard: Instant) -> GuestPace {
        GuestPace {
            guest: "vm1".into(),
            heard,
            gaps: None,
            halts: Vec::new(),
            best_speeds: Vec::new(),
            writes: Vec::new(),
            reads: Vec::new(),
            transfers: Vec::new(),
            unsynced: Vec::new(),
        }
    }
}

impl GuestPace {
    /// The first thing that was heard of it.
    pub(super) fn first(&self) -> Option<Instant> {
        let speed = self.best_speeds.first().map(|(at, _)| *at);
        let write = self.writes.first().map(|write| write.from);
        speed.into_iter().chain(write).min()
    }

    /// How long it got CPU when it wanted some, between two moments; none where it kept less than there was to tell.
    pub(super) fn awake(&self, from: Instant, until: Instant) -> Option<Duration> {
        Some((until - from).saturating_sub(self.halted(from, until)).saturating_sub(self.away(from, until)?))
    }

    /// How long it waited for a CPU, between two moments; none where it kept less than there was to tell.
    pub(super) fn away(&self, from: Instant, until: Instant) -> Option<Duration> {
        Some(inside(self.gaps.as_ref()?, from, until))
    }

    /// How long it stood still together with this process, between two moments.
    pub(super) fn halted(&self, from: Instant, until: Instant) -> Duration {
        inside(&self.halts, from, until)
    }
}

/// The part of these times between two moments.
fn inside(gaps: &[Gap], from: Instant, until: Instant) -> Duration {
    gaps.iter().map(|gap| gap.within(from, until)).sum()
}

/// A part of a time, of 1.
pub fn share(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64()
}

/// A duration in milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
