//! The record of a run: its events, written as they happen. It is the truth, and every report is a view of it.
//!
//! [`RunFolder`] holds the record, [`Record`] writes it, [`read()`] and [`Tail`] read it, even after the run was killed.
//! [`merge()`] makes one record of several.

mod atomic;
mod disagreement;
mod domain_event;
mod error;
mod event;
mod fold;
mod folder;
mod leg;
mod leg_error;
mod line;
mod lost;
mod median;
mod merge;
mod named;
mod numbers;
mod outcome;
mod outcomes;
mod phase;
mod profile;
mod queue;
mod read;
#[cfg(test)]
mod schema;
mod stats;
mod tail;
mod writer;

pub use atomic::write as write_atomically;
pub use disagreement::{Disagreement, DowntimeClock};
pub use domain_event::DomainEvent;
pub use error::ReportError;
pub use event::{
    Clocks, Envelope, Event, Part, RECORD_VERSION, RepairedPart, RunEnd, RunHeader, WriterProcess,
};
pub use fold::{Fold, Play};
pub use folder::{
    HTML_FILE, JUNIT_FILE, LATEST, RunFolder, create_group, latest, latest_is_foreign, withdraw_latest,
};
pub use leg::{PhaseSpan, RecordedEnd, RecordedLeg};
pub use leg_error::LegError;
pub use line::{event_name, text as line_text};
pub use lost::LostLines;
pub use median::{median, sorted};
pub use merge::{merge, parts_of, write_merged};
pub use numbers::{Numbers, spent_in};
pub use outcome::{Finding, Outcome, Verdict, rfc3339_text};
pub use outcomes::{Results, results_from_record, results_of, titled};
pub use phase::Phase;
pub use profile::RecordedProfile;
pub use read::read;
pub use stats::Stats;
pub use tail::Tail;
pub use writer::{FILE_NAME, ObserverGuard, Record};
