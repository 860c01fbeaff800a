//! The axis `mode`: the way in which the memory of a running guest gets across. Each mode is a file.

mod postcopy;
mod precopy;
mod row;

use std::time::Duration;

use super::{Bytes, Profile};
use crate::axis::axis;
use row::ModeRow;

axis! {
    /// The way in which the memory of a running guest gets across.
    Mode, "mode", ModeRow {
        Precopy => precopy::ROW,
        Postcopy => postcopy::ROW,
    }
}

impl Profile {
    /// The longest duration of one migration of one guest in a given mode.
    pub fn migration_timeout(&self, mode: Mode) -> Duration {
        (mode.row().timeout)(self)
    }

    /// Bandwidth limit per second of one migration of a given mode until its switch to post-copy; none without a limit.
    pub fn bandwidth_before_switch(&self, mode: Mode) -> Option<Bytes> {
        (mode.row().bandwidth_before_switch)(self)
    }

    /// The time in which our program in a guest rewrites all of its [`Profile::pattern_memory`] once.
    pub fn rewrite(&self, mode: Mode) -> Duration {
        (mode.row().rewrite)(self)
    }
}
