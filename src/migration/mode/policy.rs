//! What a mode has in its row, as the migration room knows it.

use crate::migration::{Again, LegReport, Options, Pace};
use crate::scenario::{Profile, Scenario};

/// A mode, as the migration room knows it.
pub struct ModePolicy {
    /// Adds what the mode asks of libvirt.
    pub asks: fn(&mut Options, &Scenario, &Profile, Pace),
    /// Decides whether legs that ended like this are worth another play of their scenario.
    pub again: fn(Pace, &[&LegReport]) -> Option<Again>,
    /// Makes a pace at which the migrations of a step are surely under way together, unless a host makes one wait for the
    /// other.
    pub together: fn(Pace) -> Pace,
}

/// The initial bandwidth limit of the scenario's mode, in MiB/s.
pub(super) fn bandwidth_mib(scenario: &Scenario, profile: &Profile) -> Option<u64> {
    profile.bandwidth_before_switch(scenario.mode).map(|bytes| bytes.0 >> 20)
}
