//! A guest's own clock against this machine's. The witness in the guest reports when the guest stood still and how fast it
//! wrote memory (`fixtures/agent/src/pulse.rs`), in microseconds on its monotonic clock, which begins with the witness.

use std::time::{Duration, Instant};

use multivm_protocol::Pulse;

/// A mapping from a guest's clock to this machine's, made at one answer of the guest.
///
/// The two clocks drift apart with the distance from that answer. A time before a standstill comes out late by what the
/// guest's clock lost in it: the maps of an answer before and of one after it differ by that much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockMap {
    now_us: u64,
    now: Instant,
    /// The error bound, either way: half the time that the answer took.
    pub error: Duration,
}

impl ClockMap {
    /// The map of a guest that was asked and answered at these moments of this machine.
    pub fn new(pulse: &Pulse, asked: Instant, answered: Instant) -> ClockMap {
        let error = answered.saturating_duration_since(asked) / 2;
        ClockMap { now_us: pulse.now_us, now: asked + error, error }
    }

    /// A moment of the guest's clock on this machine's clock.
    pub fn at(&self, us: u64) -> Instant {
        let distance = Duration::from_micros(us.abs_diff(self.now_us));
        if us < self.now_us { self.now - distance } else { self.now + distance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "pulse now_us=5000000 interval_us=1000 threshold_us=5000 turns=4200 longest_us=700900 \
                        gaps_dropped=0 speeds_dropped=3 disk_dropped=0\n";

    fn pulse() -> Pulse {
        HEAD.parse().unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_guests_time_is_mapped_to_ours() {
        let asked = Instant::now();
        let map = ClockMap::new(&pulse(), asked, asked + ms(40));
        assert_eq!(map.error, ms(20));
        assert_eq!(map.at(5_000_000), asked + ms(20));
        assert_eq!(map.at(4_990_000), asked + ms(10));
        assert_eq!(map.at(5_001_500), asked + ms(20) + Duration::from_micros(1500));
        // A time before the question has a place on this machine's clock, too.
        assert_eq!(map.at(4_000_000) + ms(980), asked);
    }

    #[test]
    fn wherever_between_question_and_answer_the_guest_looked_its_time_is_within_the_error() {
        let asked = Instant::now();
        let pulse = pulse();
        let map = ClockMap::new(&pulse, asked, asked + ms(40));
        for looked in [0, 13, 20, 40].map(|after| asked + ms(after)) {
            let (a, b) = (map.at(pulse.now_us).max(looked), map.at(pulse.now_us).min(looked));
            assert!(a - b <= map.error);
        }
    }

    #[test]
    fn a_clock_that_goes_backwards_is_no_reason_to_panic() {
        let answered = Instant::now();
        let map = ClockMap::new(&pulse(), answered + ms(1), answered);
        assert_eq!((map.at(5_000_000), map.error), (answered + ms(1), Duration::ZERO));
        let _ = (map.at(0), map.at(u64::MAX));
    }
}
