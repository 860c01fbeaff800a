//! The comparison of one part of a guest: of its CPU, its memory or its disk.

use std::time::Instant;

use crate::check::Advice;

/// One way in which a guest may be slower than before.
pub struct Slowdown {
    pub name: &'static str,
    pub advice: &'static Advice,
    /// How many times as slow as before.
    pub times: f64,
    /// Since when it was within the limit.
    pub recovered: Option<Instant>,
    pub told: String,
}

impl Slowdown {
    /// Says that the part was compared between migrations, and not between rests.
    pub fn while_moving(self) -> Slowdown {
        Slowdown { told: format!("{} (while moving)", self.told), ..self }
    }
}
