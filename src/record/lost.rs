//! Lines of a record that could not be written: what is missing, and why.

use std::collections::BTreeMap;
use std::fmt;

/// What a record lacks. Its `Display` is one sentence: how many lines of which events, from when to when, and why the first
/// of them could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    lines: BTreeMap<&'static str, u32>,
    first_t_ms: u64,
    last_t_ms: u64,
    why: String,
}

impl Lost {
    /// The first line that is lost.
    pub(super) fn new(event: &'static str, t_ms: u64, why: String) -> Lost {
        Lost { lines: BTreeMap::from([(event, 1)]), first_t_ms: t_ms, last_t_ms: t_ms, why }
    }

    /// One more.
    pub(super) fn add(&mut self, event: &'static str, t_ms: u64) {
        *self.lines.entry(event).or_default() += 1;
        self.last_t_ms = t_ms;
    }

    /// How many lines.
    pub fn count(&self) -> u32 {
        self.lines.values().sum()
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.lines.iter().map(|(event, count)| format!("{count} {event}")).collect();
        let seconds = |t_ms: u64| t_ms as f64 / 1e3;
        write!(
            f,
            "{} of its lines are missing ({}), written {:.1} to {:.1} s after its beginning: {}",
            self.count(),
            lines.join(", "),
            seconds(self.first_t_ms),
            seconds(self.last_t_ms),
            self.why
        )
    }
}
