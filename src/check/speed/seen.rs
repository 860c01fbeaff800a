//! What is known of a guest on a host at which it has arrived.

use std::time::{Duration, Instant};

use super::totals::Totals;
use crate::check::GuestPace;
use crate::check::stays::Stay;

/// A shorter time is not judged: a few samples say little.
pub const LEAST_STAY: Duration = Duration::from_secs(2);

/// A guest on a host at which it had arrived.
#[derive(Clone, Copy)]
pub struct SeenStay<'a> {
    pub pace: &'a GuestPace,
    /// How long it waited for a CPU of that host.
    pub waits: &'a Totals,
    pub from: Instant,
    /// When its next migration began, which makes CPU and memory slower.
    pub until: Instant,
    /// When it stopped there. The way to its disk was this host's until then.
    pub left: Instant,
}

impl<'a> SeenStay<'a> {
    pub fn new(pace: &'a GuestPace, stay: &Stay, waits: &'a Totals) -> SeenStay<'a> {
        let heard = |at: Option<Instant>| at.unwrap_or(pace.heard).min(pace.heard);
        SeenStay { pace, waits, from: stay.from, until: heard(stay.until), left: heard(stay.left) }
    }

    /// Adds the migration at its end to the stay.
    pub fn until_it_left(&self) -> SeenStay<'a> {
        SeenStay { until: self.left, ..*self }
    }
}

/// How long guests were seen, if that is long enough.
pub fn seen_for(seen: &[SeenStay<'_>], until: impl Fn(&SeenStay<'_>) -> Instant) -> Option<Duration> {
    let long = seen.iter().map(|seen| until(seen).saturating_duration_since(seen.from)).sum();
    (long >= LEAST_STAY).then_some(long)
}
