//! The axis `mode`: the way in which the memory of a running guest gets across. Each mode is a file.

mod postcopy;
mod precopy;

use std::time::Duration;

use super::{Bytes, Profile};
use crate::axis::axis;

/// A mode: its row in the table.
pub struct ModeRow {
    pub name: &'static str,
    /// The mode's description, as the end of the sentence `The guest ...`.
    pub text: &'static str,
    /// The longest duration of one migration of one guest.
    pub(super) timeout: fn(&Profile) -> Duration,
    /// The bandwidth limit of one migration per second until its switch to post-copy; none without a limit.
    pub(super) bandwidth_before_switch: fn(&Profile) -> Option<Bytes>,
    /// The time in which our program in a guest rewrites all of its pattern once.
    pub(super) rewrite: fn(&Profile) -> Duration,
    /// The end of a migration, for the explanation of a scenario.
    pub ends: fn(&Profile) -> String,
    /// The fate of a late migration, for the explanation of a scenario.
    pub at_timeout: fn(&Profile) -> &'static str,
}

axis! {
    /// The way in which the memory of a running guest gets across.
    Mode, "mode", ModeRow {
        Precopy => precopy::ROW,
        Postcopy => postcopy::ROW,
    }
}

/// The explanation of an aborted migration.
const ABORTED: &str = "it is aborted, which fails the scenario";
