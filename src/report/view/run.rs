//! The run as a whole.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use super::ScenarioView;
use crate::record::{LostLines, Part, RunHeader, Verdict};

/// A run, from its record.
#[derive(Clone, Debug)]
pub struct RunView {
    /// The header; its `stack` also has the facts of all fixtures.
    pub header: RunHeader,
    /// When the record begins.
    pub started: SystemTime,
    /// From there to the record's last line, seconds.
    pub duration_s: f64,
    /// Whether the record has an end. One without was cut off, or its run is still under way.
    pub finished: bool,
    /// What the record lacks.
    pub lost: Option<LostLines>,
    /// The runs that a merged record is made of; none for the record of one run.
    pub parts: Vec<Part>,
    /// What was built, in order.
    pub fixtures: Vec<FixtureView>,
    /// What was put in order between scenarios.
    pub repairs: Vec<RepairView>,
    /// All scenarios that began or have a result, in order.
    pub scenarios: Vec<ScenarioView>,
}

impl RunView {
    /// How many scenarios ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.scenarios.iter().filter(|scenario| scenario.outcome.verdict == verdict).count()
    }
}

/// A fixture that was ready.
#[derive(Clone, Debug, Serialize)]
pub struct FixtureView {
    pub name: String,
    /// How long it took to build.
    pub duration_s: f64,
    pub facts: BTreeMap<String, String>,
}

/// Something that was put in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepairView {
    pub t_ms: f64,
    pub what: String,
    pub why: String,
}
