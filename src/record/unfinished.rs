//! A scenario of a record that has no result: it is under way, or its run was cut off.

use std::time::Duration;

use super::{Envelope, Event};
use crate::record::{Finding, Outcome, Verdict, rfc3339_text};

/// A scenario that began, and what was last heard of it.
#[derive(Clone, Debug)]
pub struct Unfinished {
    pub scenario: String,
    start: Envelope,
    last: String,
}

impl Unfinished {
    pub fn new(scenario: String, start: Envelope) -> Unfinished {
        Unfinished { scenario, start, last: "scenario_started".to_string() }
    }

    /// Takes note of an event of this scenario.
    pub fn note(&mut self, event: &Event) {
        self.last = match event {
            Event::LegStarted { guest, round, direction, .. }
            | Event::LegFinished { guest, round, direction, .. } => {
                format!("{} of guest {guest}, round {round}, {direction}", event.name())
            }
            _ => event.name().to_string(),
        };
    }

    /// What it came to if nothing more comes; `end` is the last line of the record.
    pub fn without_result(self, end: Option<&Envelope>) -> Outcome {
        let end = end.unwrap_or(&self.start);
        let mut outcome = Outcome::new(self.scenario, Verdict::Error, self.start.at);
        outcome.duration = Duration::from_millis(end.t_ms.saturating_sub(self.start.t_ms));
        outcome.findings.push(Finding {
            check: "no_result".to_string(),
            guest: None,
            round: None,
            direction: None,
            expected: "a result".to_string(),
            seen: format!(
                "the scenario began at {}, its last event is {}, and the record ends at {}",
                rfc3339_text(self.start.at),
                self.last,
                rfc3339_text(end.at)
            ),
            try_next: Some(
                "find out what ended multivm: a CI timeout, `kill -9`, the OOM killer (`dmesg`), a power loss; \
                 `multivm reap` undoes what the run left behind"
                    .to_string(),
            ),
        });
        outcome
    }
}
