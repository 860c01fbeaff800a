//! Failures while a run is written down or read back.

use std::io;
use std::path::{Path, PathBuf};

use super::Event;
use crate::failure::{Cause, FailureKind};

/// A report that cannot be written or read. The text has the attempt, the file and the answer.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// The attempt, in words that follow "cannot ...".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Lines could not be written when they were due.
    #[error("cannot complete the record {}: {lost}", path.display())]
    Lost {
        /// The record.
        path: PathBuf,
        /// The missing part.
        lost: super::LostLines,
    },
    /// An event has no JSON form.
    #[error("cannot write the event {event} to {} as JSON: {source}", path.display())]
    Encode {
        /// Name of the event.
        event: String,
        /// The record.
        path: PathBuf,
        /// serde_json's answer.
        source: serde_json::Error,
    },
    /// A line of a record is not an event.
    #[error(
        "cannot read line {line} of the record {}: {source}; the file was changed by something else than multivm, or its \
         disk is damaged",
        path.display()
    )]
    Line {
        /// The record.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// serde_json's answer.
        source: serde_json::Error,
    },
    /// A multivm of another format wrote the record.
    #[error(
        "cannot read the record {}: line {line} has format version {found}, this multivm reads version {} only; use the \
         multivm that wrote it",
        path.display(),
        super::RECORD_VERSION
    )]
    Version {
        /// The record.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The version in the file.
        found: u32,
    },
    /// The record does not begin with `run_started`.
    #[error(
        "cannot make a report of {}: it has no run_started event, so the run ended before it began, or this is not a record",
        path.display()
    )]
    NoRun {
        /// The record.
        path: PathBuf,
    },
    /// A comparison has no such form.
    #[error("cannot write the comparison {0}")]
    Compare(String),
    /// The XML could not be made.
    #[error("cannot make the JUnit report: {0}")]
    Junit(#[from] quick_junit::SerializeError),
    /// The page could not be made.
    #[error("cannot make the HTML report: {0:#}")]
    Html(#[from] minijinja::Error),
}

impl ReportError {
    /// Turns an I/O error into a report's, for `map_err`: with the attempt and the path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ReportError {
        let path = path.to_path_buf();
        move |source| ReportError::Io { action, path, source }
    }

    /// Turns serde_json's error about an event into a report's, for `map_err`: with the event's name and the record's path.
    pub(super) fn encode(event: &Event, path: &Path) -> impl FnOnce(serde_json::Error) -> ReportError {
        let (event, path) = (event.name().to_owned(), path.to_path_buf());
        move |source| ReportError::Encode { event, path, source }
    }
}

impl From<ReportError> for Cause {
    fn from(error: ReportError) -> Cause {
        let kind = match &error {
            ReportError::Io { source, .. } => source.kind().into(),
            _ => FailureKind::Other,
        };
        Cause::of(kind, error)
    }
}

/// Advice about the errors that users meet.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; remove old runs from the results folder"
        }
        io::ErrorKind::PermissionDenied => {
            "; it belongs to another user, perhaps from a run as root: choose another results folder or change the owner"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; choose another results folder",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_missing_and_one_that_is_closed_is_refused() {
        for (kind, expected) in [
            (io::ErrorKind::NotFound, FailureKind::Missing),
            (io::ErrorKind::PermissionDenied, FailureKind::Refused),
            (io::ErrorKind::StorageFull, FailureKind::Other),
        ] {
            let error = ReportError::io("open the record", Path::new("/r"))(kind.into());
            assert_eq!(Cause::from(error).kind, expected);
        }
        assert_eq!(Cause::from(ReportError::NoRun { path: "/r".into() }).kind, FailureKind::Other);
    }
}
