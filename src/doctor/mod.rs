//! What this machine can do for the lab, what is missing, and what to do about it.
//!
//! Every check only looks: what it tries, it tries in a child with namespaces of its own, which leave nothing.

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

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// A lab can be raised, but something is slower, smaller or left out.
    Warn,
    /// No lab can be raised as long as it is so.
    Missing,
}

/// One check: what was looked at, what was seen, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    pub name: String,
    pub verdict: Grade,
    pub seen: String,
    /// What the reader can do about it; always there when something is missing.
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

/// Looks at everything, in the order in which the lab needs it. With a profile it also says whether the fleet fits.
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

/// Whether a lab can be raised.
pub fn can_raise(findings: &[Diagnosis]) -> bool {
    findings.iter().all(|finding| finding.verdict != Grade::Missing)
}
