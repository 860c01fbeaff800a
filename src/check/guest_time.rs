//! A guest's clock, as a look read it.

use std::time::{Duration, Instant};

/// A guest's realtime clock, read at some moment between question and answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuestTime {
    pub guest_s: f64,
    pub asked: Instant,
    pub answered: Instant,
    /// How long this machine had been suspended by then since its boot, which no [`Instant`] counts.
    pub suspended: Duration,
}

impl GuestTime {
    /// How far the guest's clock moved at least since an earlier reading, in seconds; positive if it went ahead.
    pub(super) fn moved_from(&self, before: &GuestTime) -> f64 {
        let went = self.guest_s - before.guest_s;
        let least = went - self.answered.saturating_duration_since(before.asked).as_secs_f64();
        let most = went - self.asked.saturating_duration_since(before.answered).as_secs_f64();
        if least > 0.0 {
            least
        } else if most < 0.0 {
            most
        } else {
            0.0
        }
    }
}
