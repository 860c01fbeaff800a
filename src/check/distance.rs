//! How far the clock of a guest is from this machine's.

/// How far a guest's realtime clock is ahead of this machine's, in seconds: an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    least_s: f64,
    most_s: f64,
}

impl Distance {
    /// The distance of a guest whose answer was `guest_s`, from the times of question and answer on this machine.
    pub fn new(guest_s: f64, asked_s: f64, answered_s: f64) -> Distance {
        Distance { least_s: guest_s - answered_s, most_s: guest_s - asked_s }
    }

    /// How far the clock moved at least, in seconds; positive if the guest's clock went ahead.
    pub(super) fn moved_from(&self, before: Distance) -> f64 {
        if self.least_s > before.most_s {
            self.least_s - before.most_s
        } else if self.most_s < before.least_s {
            self.most_s - before.least_s
        } else {
            0.0
        }
    }
}
