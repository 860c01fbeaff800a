//! What the scenarios of a record came to, also of a record that was cut off.

use std::path::Path;

use super::{Envelope, Event, Fold, Outcome, ReportError, RunHeader, read};

/// The header and the outcomes of a record, in the order in which the scenarios began; those without a result as
/// [`Verdict::Error`](super::Verdict::Error). One that was played again counts with its last play.
///
/// # Errors
/// When the record cannot be read, or has no beginning.
pub fn outcomes_from_record(record: &Path) -> Result<(RunHeader, Vec<Outcome>), ReportError> {
    outcomes_of(&read(record)?).ok_or_else(|| ReportError::NoRun { path: record.to_path_buf() })
}

/// [`outcomes_from_record`], of events that have been read; none without a beginning.
pub fn outcomes_of(events: &[(Envelope, Event)]) -> Option<(RunHeader, Vec<Outcome>)> {
    let fold = fold_of(events);
    Some((fold.header.clone()?, fold.outcomes()))
}

/// What the events of a record come to.
pub(super) fn fold_of(events: &[(Envelope, Event)]) -> Fold<()> {
    let mut fold = Fold::default();
    for (envelope, event) in events {
        fold.take(envelope, event);
    }
    fold
}
