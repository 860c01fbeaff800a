//! What a mode has in its row.

use std::time::Duration;

use crate::scenario::{Bytes, Profile};

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
    /// Whether QEMU switches to post-copy during a migration: the guest then runs on the target before all of its memory is
    /// there, and no longer on the source.
    pub switches: bool,
    /// Whether a late migration may be completed by suspending the guest.
    pub may_suspend: bool,
    /// The end of a migration, for the explanation of a scenario.
    pub ends: fn(&Profile) -> String,
    /// The fate of a late migration, for the explanation of a scenario.
    pub at_timeout: fn(&Profile) -> &'static str,
}
