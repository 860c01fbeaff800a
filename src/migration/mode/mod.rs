//! The modes: what each asks of libvirt, and when its play is worth another. One file each.

mod postcopy;
mod precopy;

use super::{Again, LegReport, Options, Pace};
use crate::scenario::{Mode, Profile, Scenario};

/// A mode, as the migration room knows it.
pub struct ModePolicy {
    /// Adds what the mode asks of libvirt.
    pub asks: fn(&mut Options, &Scenario, &Profile, Pace),
    /// Decides whether legs that ended like this are worth another play of their scenario.
    pub again: fn(Pace, &[&LegReport]) -> Option<Again>,
}

pub fn of(mode: Mode) -> &'static ModePolicy {
    match mode {
        Mode::Precopy => &precopy::POLICY,
        Mode::Postcopy => &postcopy::POLICY,
    }
}

/// The initial bandwidth limit of the scenario's mode, in MiB/s.
fn bandwidth_mib(scenario: &Scenario, profile: &Profile) -> Option<u64> {
    profile.bandwidth_before_switch(scenario.mode).map(|bytes| bytes.0 >> 20)
}
