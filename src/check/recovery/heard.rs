//! What the probes heard of a guest where it has arrived, beside silences.

use std::time::{Duration, Instant};

use crate::check::stays::Stay;
use crate::probe::{COUNTED, Gap, Piece, Summary};

/// A silence as long is no loss, and no delay: a guest that waits for its host's CPU, or whose frames have not found it yet.
const SILENCE: Duration = Duration::from_millis(300);

/// What was heard of a guest in a stay.
pub struct Heard<'a> {
    pub summary: &'a Summary,
    pub from: Instant,
    until: Instant,
    silences: Vec<&'a Gap>,
    /// The pieces of time outside of silences.
    pub pieces: Vec<Piece>,
}

impl<'a> Heard<'a> {
    pub fn new(summary: &'a Summary, stay: &Stay) -> Heard<'a> {
        // What is under way when the stream ends has no answer yet.
        let until = stay.until.unwrap_or_else(|| summary.counts.end() - SILENCE);
        let silences =
            summary.gaps.iter().filter(|gap| gap.length >= SILENCE && gap.touches(stay.from, until));
        let mut heard =
            Heard { summary, from: stay.from, until, silences: silences.collect(), pieces: Vec::new() };
        let all = summary.counts.pieces(heard.from, heard.until);
        heard.pieces = all.filter(|piece| !heard.is_silent(piece.from, piece.from + COUNTED)).collect();
        heard
    }

    /// How long it was heard.
    pub fn long(&self) -> Duration {
        self.until.saturating_duration_since(self.from)
    }

    /// Whether a time of the stay touches a silence, or is not all of the stay.
    pub fn is_silent(&self, from: Instant, until: Instant) -> bool {
        from < self.from || until > self.until || self.silences.iter().any(|gap| gap.touches(from, until))
    }

    /// The parts of these samples that are as long as `window`, one after each sample; all of them if they are not longer than that.
    pub fn parts<T>(samples: &[T], window: Duration, every: Duration) -> impl Iterator<Item = &[T]> {
        let long = (window.as_nanos() / every.as_nanos()) as usize;
        samples.windows(long.clamp(1, samples.len().max(1)))
    }
}
