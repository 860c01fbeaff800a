//! Examines what this machine can do for the lab and what it lacks, and advises the user.
//!
//! No check changes anything: a trial runs in a child with namespaces of its own, which leave nothing.

mod accelerator;
mod disk;
mod kernel;
mod machine;
mod packages;
mod privilege;
mod traces;

pub use machine::supply;

use crate::scenario::Profile;
use crate::stand::lab::Settings;
use privilege::Privilege;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// All is well.
    Good,
    /// A lab can run, but something is slower, smaller or left out.
    Warn,
    /// No lab can run until this is mended.
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

/// Runs all checks in the order in which the lab needs their subjects. A profile adds the question whether its fleet fits.
pub fn examine(settings: &Settings, profile: Option<&Profile>) -> Vec<Diagnosis> {
    let privilege = Privilege::find();
    let mut findings = vec![privilege.finding()];
    findings.extend(packages::examine(settings));
    findings.extend(kernel::examine(&privilege));
    findings.push(accelerator::examine(settings));
    findings.extend(machine::examine(settings, profile));
    findings.extend(disk::examine(settings));
    findings.extend(traces::examine());
    findings
}

/// Whether these findings allow a lab.
pub fn can_raise(findings: &[Diagnosis]) -> bool {
    findings.iter().all(|finding| finding.verdict != Grade::Missing)
}
