//! What libvirt is handed for a move: flags, parameters and the maximum downtime. Pure.

use std::time::Duration;

use crate::libvirt::Migration;
use crate::scenario::{AtTimeout, Mode, Side};

/// How one guest is to be moved.
#[derive(Debug, Clone)]
pub struct Move {
    pub from: Side,
    pub to: Side,
    pub mode: Mode,
    /// XBZRLE compression of resent pages.
    pub compressed: bool,
    /// The most that it may send, MiB/s; of a post-copy migration until it switches.
    pub bandwidth_mib: Option<u64>,
    /// The most that a post-copy migration may send after its switch, MiB/s.
    pub post_copy_bandwidth_mib: Option<u64>,
    /// How long QEMU may plan to stop the guest at the end of pre-copy.
    pub downtime_limit: Duration,
    pub timeout: Duration,
    /// What becomes of a pre-copy migration that takes longer.
    pub at_timeout: AtTimeout,
}

/// With this limit QEMU does not consider a guest converged whose remaining memory takes longer to send, milliseconds.
/// A guest that dirties little would otherwise be done in pre-copy before the switch can be ordered.
const POST_COPY_MAX_DOWNTIME_MS: u64 = 1;

impl Move {
    /// Flags and parameters of the call that migrates.
    pub fn options(&self) -> Migration {
        Migration {
            live: true,
            persist_dest: true,
            post_copy: self.mode == Mode::Postcopy,
            auto_converge: self.mode == Mode::Precopy,
            compressed: self.compressed,
            bandwidth_mib: self.bandwidth_mib,
            post_copy_bandwidth_mib: self.post_copy_bandwidth_mib,
            ..Migration::default()
        }
    }

    /// QEMU's downtime-limit, milliseconds.
    pub fn max_downtime_ms(&self) -> u64 {
        match self.mode {
            Mode::Precopy => self.downtime_limit.as_millis().try_into().unwrap_or(u64::MAX).max(1),
            Mode::Postcopy => POST_COPY_MAX_DOWNTIME_MS,
        }
    }
}
