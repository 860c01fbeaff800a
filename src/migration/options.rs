//! What libvirt gets for a move: flags, parameters and settings.

use std::fmt;

use crate::libvirt::Migration;

/// Flags and parameters of the migrating call, and QEMU's settings before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    pub migration: Migration,
    /// QEMU's downtime-limit: QEMU considers no guest converged whose remaining memory takes longer to send.
    pub max_downtime_ms: u64,
    /// The bandwidth limit is for the first pass over the memory only. Later passes go as fast as this, in MiB/s, or as QEMU
    /// can.
    pub after_first_pass: Option<FullSpeed>,
}

/// The bandwidth after a first pass that was held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullSpeed {
    /// MiB/s; none for the largest that QEMU takes.
    pub mib: Option<u64>,
}

impl fmt::Display for Options {
    /// `VIR_MIGRATE_LIVE | VIR_MIGRATE_POSTCOPY, bandwidth 8 MiB/s, downtime-limit 1 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, downtime-limit {} ms", self.migration, self.max_downtime_ms)
    }
}
