//! Examines what guests are to run on, and advises the user: this machine for the lab, or a pair of hosts.

pub mod files;
mod lab;
pub mod pair;

pub use lab::{examine, refusal_for_images, storage_room, supply};

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// All is well.
    Good,
    /// A run is possible, but something is slower, smaller or left out.
    Warn,
    /// No run is possible until this is mended.
    Missing,
}

/// The diagnosis of one check: its name, its verdict, what it saw, and advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    pub name: String,
    pub verdict: Grade,
    pub seen: String,
    /// Advice for the reader; always there when something is missing.
    pub advice: Option<String>,
}

impl Diagnosis {
    fn good(name: impl Into<String>, seen: impl Into<String>) -> Diagnosis {
        Diagnosis { name: name.into(), verdict: Grade::Good, seen: seen.into(), advice: None }
    }

    fn warn(name: impl Into<String>, seen: impl Into<String>, advice: impl Into<String>) -> Diagnosis {
        Diagnosis { name: name.into(), verdict: Grade::Warn, seen: seen.into(), advice: Some(advice.into()) }
    }

    fn missing(name: impl Into<String>, seen: impl Into<String>, advice: impl Into<String>) -> Diagnosis {
        Diagnosis { verdict: Grade::Missing, ..Diagnosis::warn(name, seen, advice) }
    }
}

/// Whether these findings allow a run.
pub fn can_raise(findings: &[Diagnosis]) -> bool {
    findings.iter().all(|finding| finding.verdict != Grade::Missing)
}
