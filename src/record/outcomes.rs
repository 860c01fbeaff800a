//! The results of a record, even of one that was cut off.

use std::collections::HashMap;
use std::path::Path;

use super::{Envelope, Event, Fold, LostLines, Outcome, ReportError, RunHeader, read};

/// The results of a run.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub header: RunHeader,
    /// The outcomes in the order of the scenarios' beginnings. A scenario without a result has
    /// [`Verdict::Error`](super::Verdict::Error); of one that was played again the last play counts.
    pub outcomes: Vec<Outcome>,
    /// The lines that its record lacks.
    pub lost: Option<LostLines>,
}

/// The results of a record.
///
/// # Errors
/// When the record cannot be read, or has no beginning.
pub fn results_from_record(record: &Path) -> Result<Results, ReportError> {
    results_of(&read(record)?).ok_or_else(|| ReportError::NoRun { path: record.to_path_buf() })
}

/// The results of these events of a record; none without a beginning.
pub fn results_of(events: &[(Envelope, Event)]) -> Option<Results> {
    let fold = Fold::<()>::of(events);
    let outcomes = fold.outcomes();
    fold.began.is_some().then_some(Results { header: fold.header, outcomes, lost: fold.lost })
}

/// Gives each outcome a title: the scenario's name, with ` #2` for a second outcome of that name, as in a merged record.
pub fn titled<'a>(
    outcomes: impl IntoIterator<Item = &'a Outcome>,
) -> impl Iterator<Item = (String, &'a Outcome)> {
    let mut times: HashMap<&str, u32> = HashMap::new();
    outcomes.into_iter().map(move |outcome| {
        let number = times.entry(&outcome.scenario).or_default();
        *number += 1;
        let title = match number {
            1 => outcome.scenario.clone(),
            _ => format!("{} #{number}", outcome.scenario),
        };
        (title, outcome)
    })
}
