//! What is damaged of a guest.

use std::sync::Arc;

use crate::guest::Guest;

/// A part of a guest that is unfit for the next scenario.
#[derive(Debug, Clone)]
pub struct GuestDamage {
    pub guest: Arc<Guest>,
    pub part: DamagedPart,
    pub why: String,
}

/// The part of a guest that needs a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamagedPart {
    /// Only the witness, our program in the guest, which keeps patterns in memory and on disk.
    Witness,
    /// The whole guest.
    Guest,
}
