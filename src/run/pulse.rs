//! A guest's own clock through a scenario, put together from what its witness said at every look.

use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::guest::{ClockMap, Fleet, Guest, Pulse};
use crate::probe::Gap;

/// What a witness said, and how its clock was against ours then.
pub struct Beat {
    pulse: Pulse,
    map: ClockMap,
}

/// A time in which our program in the guest did not get its turn, on this machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestGap {
    pub gap: Gap,
    /// By how much its place in time may be wrong.
    pub error: Duration,
    /// By how much its length may be.
    pub resolution: Duration,
}

#[derive(Default)]
pub struct OwnClock {
    /// In the order of time. Where a standstill cost the guest's clock time, what was before it and heard of after it is
    /// placed late by as much.
    pub gaps: Vec<GuestGap>,
    /// When memory was written, and the milliseconds that a GiB would have taken.
    pub speeds: Vec<(Instant, f64)>,
    /// The witness was asked and looks at its clock.
    known: bool,
    /// It has kept less than there was to tell.
    cut: bool,
}

/// Asks a guest's witness for what happened since it was asked last.
pub fn hear(fleet: &Fleet, guest: &Guest) -> Result<Beat> {
    let (pulse, map) = fleet.pulse_of(guest)?;
    Ok(Beat { pulse, map })
}

impl OwnClock {
    pub fn add(&mut self, Beat { pulse, map }: &Beat) {
        self.known |= pulse.interval_us > 0;
        self.cut |= pulse.gaps_dropped > 0;
        let resolution = Duration::from_micros(pulse.interval_us);
        self.gaps.extend(pulse.gaps.iter().map(|gap| GuestGap {
            gap: Gap { from: map.at(gap.at_us), length: Duration::from_micros(gap.length_us) },
            error: map.error,
            resolution,
        }));
        self.speeds.extend(pulse.speeds.iter().map(|speed| (map.at(speed.at_us), speed.ms_per_gib)));
    }

    /// Whether all of its gaps are known.
    pub fn is_known(&self) -> bool {
        self.known && !self.cut
    }
}
