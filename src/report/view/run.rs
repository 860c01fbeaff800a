//! The view of a run.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use super::{RepairView, ScenarioView};
use crate::record::{LostLines, Part, RunHeader, Verdict};

/// A run, from its record.
#[derive(Clone, Debug)]
pub struct RunView {
    /// The header, with the facts of all fixtures in its `stack`.
    pub header: RunHeader,
    /// The record's beginning.
    pub started: SystemTime,
    /// The time from there to the record's last line, in seconds.
    pub duration_s: f64,
    /// Whether the record has an end. Without one, the run was cut off or still goes on.
    pub finished: bool,
    /// The lines that the record lacks.
    pub lost: Option<LostLines>,
    /// The runs that a merged record is made of; none for the record of one run.
    pub parts: Vec<Part>,
    /// The fixtures in the order of their completion.
    pub fixtures: Vec<FixtureView>,
    /// The repairs between scenarios.
    pub repairs: Vec<RepairView>,
    /// All scenarios that began or have a result, in order.
    pub scenarios: Vec<ScenarioView>,
}

impl RunView {
    /// The number of scenarios with this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.scenarios.iter().filter(|scenario| scenario.outcome.verdict == verdict).count()
    }
}

/// A fixture of the run.
#[derive(Clone, Debug, Serialize)]
pub struct FixtureView {
    pub name: String,
    /// How long it took to build.
    pub duration_s: f64,
    pub facts: BTreeMap<String, String>,
}
