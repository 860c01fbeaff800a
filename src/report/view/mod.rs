//! A run as its reports show it: data, computed from the record's events in one pass.
//!
//! ```text
//! record --> fold --> RunView --> ScenarioView --> LegView --> SampleView
//!                        |                            |
//!                        +--> DowntimePercentiles <---+   by group and by clock
//! ```
//!
//! All times are milliseconds on the clock of the record's `t_ms`. A record that was cut off, or whose run is still under
//! way, makes a view of what it has.

mod distribution;
mod fold;
mod leg;
mod repair;
mod run;
mod sample;
mod scenario;
mod thin;

use std::path::Path;

pub use distribution::{DowntimePercentiles, percentile};
pub use leg::LegView;
pub use repair::RepairView;
pub use run::{FixtureView, RunView};
pub use sample::SampleView;
pub use scenario::{ALL, CheckView, LoadView, PlayDetails, ProbeView, ScenarioView, group_of, is_in_group};
pub use thin::{at_most, extremes};

use crate::record::{Envelope, Event, ReportError, read};

/// The view of a run. `record` is the file or the run's folder.
///
/// # Errors
/// When the record cannot be read, or has no beginning.
pub fn from_record(record: &Path) -> Result<RunView, ReportError> {
    from_events(read(record)?).ok_or_else(|| ReportError::NoRun { path: record.to_path_buf() })
}

/// The view of these events of one run; none if they do not begin with [`Event::RunStarted`].
pub fn from_events(events: impl IntoIterator<Item = (Envelope, Event)>) -> Option<RunView> {
    let mut fold = fold::Views::default();
    for (envelope, event) in events {
        fold.take(&envelope, event);
    }
    fold.finish()
}

#[cfg(test)]
mod tests;
