//! Lines of a record that could not be written.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The lines that a record lacks. The `Display` is one sentence: how many lines of which events, from when to when, and why
/// the first of them could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LostLines {
    /// The number of lines by the names of their events.
    pub lines: BTreeMap<String, u32>,
    /// The moment at which the first of them was due, on the clock of `t_ms`.
    pub from_t_ms: u64,
    /// The moment at which the last of them was due, on the clock of `t_ms`.
    pub to_t_ms: u64,
    /// Why the first of them could not be written.
    pub why: String,
}

impl LostLines {
    /// One lost line.
    pub(super) fn one(event: &str, t_ms: u64, why: String) -> LostLines {
        LostLines { lines: BTreeMap::from([(event.to_owned(), 1)]), from_t_ms: t_ms, to_t_ms: t_ms, why }
    }

    /// Adds lines that were lost later.
    pub fn add(&mut self, later: &LostLines) {
        for (event, count) in &later.lines {
            *self.lines.entry(event.clone()).or_default() += count;
        }
        self.to_t_ms = later.to_t_ms;
    }

    /// The number of lines.
    pub fn count(&self) -> u32 {
        self.lines.values().sum()
    }
}

/// Adds lines that were lost to those that were lost before.
pub fn add_lost(all: &mut Option<LostLines>, more: &LostLines) {
    match all {
        Some(lost) => lost.add(more),
        None => *all = Some(more.clone()),
    }
}

impl fmt::Display for LostLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.lines.iter().map(|(event, count)| format!("{count} {event}")).collect();
        let seconds = |t_ms: u64| t_ms as f64 / 1e3;
        write!(
            f,
            "{} of its lines are missing ({}), due {:.1} to {:.1} s after its beginning: {}",
            self.count(),
            lines.join(", "),
            seconds(self.from_t_ms),
            seconds(self.to_t_ms),
            self.why
        )
    }
}
