//! What the scenarios of a record came to, also of a record that was cut off.

use std::path::Path;

use super::unfinished::Unfinished;
use super::{Envelope, Event, Outcome, ReportError, RunHeader, read};

/// The header and the outcomes of a record, in the order in which the scenarios began; those without a result as
/// [`Verdict::Error`]. One that was played again counts with its last play.
///
/// # Errors
/// When the record cannot be read, or has no beginning.
pub fn outcomes_from_record(record: &Path) -> Result<(RunHeader, Vec<Outcome>), ReportError> {
    outcomes_of(&read(record)?).ok_or_else(|| ReportError::NoRun { path: record.to_path_buf() })
}

/// [`outcomes_from_record`], of events that have been read; none without a beginning.
///
/// The facts that fixtures told belong to the header, as they do in the report that a run writes itself.
pub fn outcomes_of(events: &[(Envelope, Event)]) -> Option<(RunHeader, Vec<Outcome>)> {
    let mut header = None;
    for (_, event) in events {
        match (event, &mut header) {
            (Event::RunStarted(started), _) => header = Some(started.clone()),
            (Event::FixtureReady { facts, .. }, Some(header)) => header.stack.extend(facts.clone()),
            _ => {}
        }
    }
    let ended = events.last().map(|(envelope, _)| envelope);
    let outcomes = entries(events).into_iter().map(|entry| match entry {
        Entry::Done(outcome) => outcome,
        Entry::Open(open) => open.without_result(ended),
    });
    Some((header?, outcomes.collect()))
}

/// The outcomes of the scenarios that began and have no result.
pub(super) fn without_result(events: &[(Envelope, Event)]) -> Vec<Outcome> {
    let ended = events.last().map(|(envelope, _)| envelope);
    let open = entries(events).into_iter().filter_map(|entry| match entry {
        Entry::Done(_) => None,
        Entry::Open(open) => Some(open.without_result(ended)),
    });
    open.collect()
}

/// The scenarios of a record, in the order in which they began.
fn entries(events: &[(Envelope, Event)]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (envelope, event) in events {
        match event {
            Event::ScenarioStarted { scenario } => {
                // Played again: the first play has no result of its own.
                entries.retain(|entry| !entry.is_open(scenario));
                entries.push(Entry::Open(Unfinished::new(scenario.clone(), envelope.clone())));
            }
            Event::ScenarioFinished(outcome) => {
                match entries.iter_mut().find(|entry| entry.is_open(&outcome.scenario)) {
                    Some(entry) => *entry = Entry::Done(outcome.clone()),
                    // Ignored and not run scenarios have a result without a start.
                    None => entries.push(Entry::Done(outcome.clone())),
                }
            }
            other => {
                for entry in &mut entries {
                    if let Entry::Open(open) = entry {
                        open.note(other);
                    }
                }
            }
        }
    }
    entries
}

/// A scenario of a record, on the way through it.
enum Entry {
    Open(Unfinished),
    Done(Outcome),
}

impl Entry {
    /// Whether this is that scenario, and has no result yet.
    fn is_open(&self, scenario: &str) -> bool {
        matches!(self, Entry::Open(open) if open.scenario == scenario)
    }
}
