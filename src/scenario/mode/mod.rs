//! The axis `mode`: how the memory of a running guest gets across. Each mode is a file.

mod postcopy;
mod precopy;

use std::time::Duration;

use super::{Bytes, Profile};
use crate::axis::axis;

/// A mode: its row in the table.
pub struct Spec {
    pub name: &'static str,
    /// What it is, as the end of the sentence `The guest ...`.
    pub text: &'static str,
    /// How long one migration of one guest may take.
    pub(super) timeout: fn(&Profile) -> Duration,
    /// The most that one migration may send per second until its switch to post-copy, if it has one.
    pub(super) bandwidth_before_switch: fn(&Profile) -> Option<Bytes>,
    /// In what time our program in a guest rewrites all of its pattern once.
    pub(super) rewrite: fn(&Profile) -> Duration,
    /// How a migration ends, as scenarios are explained.
    pub ends: fn(&Profile) -> String,
    /// What becomes of one that is not over in time, as scenarios are explained.
    pub at_timeout: fn(&Profile) -> &'static str,
}

axis! {
    /// How the memory of a running guest gets across.
    Mode, "mode", Spec {
        Precopy => precopy::SPEC,
        Postcopy => postcopy::SPEC,
    }
}

/// What is said of a migration that is aborted.
const ABORTED: &str = "it is aborted, which fails the scenario";
