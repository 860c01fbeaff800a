//! Clocks of one downtime that contradict each other.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A clock that measures how long a guest stood still, or a time that such a clock is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DowntimeClock {
    /// The guest's network as seen from outside: `network_ms`.
    Network,
    /// The guest's own clock: `guest_ms`.
    Guest,
    /// libvirt's statistics: `downtime` in `stats` of the migration's `leg_finished`.
    Libvirt,
    /// The events of both QEMUs: `qemu_ms`.
    Qemu,
    /// The downtime that counts: `reported_ms`.
    Reported,
    /// The time of the whole migration: `duration_s` of its `leg_finished`.
    Migration,
}

impl DowntimeClock {
    /// All that measure a downtime, the reported one first.
    pub const ALL: [DowntimeClock; 5] = [
        DowntimeClock::Reported,
        DowntimeClock::Network,
        DowntimeClock::Guest,
        DowntimeClock::Libvirt,
        DowntimeClock::Qemu,
    ];

    /// The clock's name in tables.
    pub fn name(self) -> &'static str {
        match self {
            DowntimeClock::Network => "network",
            DowntimeClock::Guest => "guest",
            DowntimeClock::Libvirt => "libvirt",
            DowntimeClock::Qemu => "QEMU",
            DowntimeClock::Reported => "reported",
            DowntimeClock::Migration => "migration",
        }
    }
}

/// Writes the clock as the subject of a sentence: `libvirt`, `the guest`.
impl fmt::Display for DowntimeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if matches!(self, DowntimeClock::Libvirt | DowntimeClock::Qemu) { "" } else { "the " };
        write!(f, "{article}{}", self.name())
    }
}

/// Two clocks of one downtime that differ by more than they can be wrong. The fields of the downtime have what each says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Disagreement {
    /// The clock that disagrees.
    pub clock: DowntimeClock,
    /// What the clock disagrees with. With `migration` it says more than the whole migration took.
    pub with: DowntimeClock,
}
