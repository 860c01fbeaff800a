//! The view of what happens between scenarios.

use serde::Serialize;

/// A repair, or a time in which multivm did not run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepairView {
    pub t_ms: f64,
    pub what: String,
    pub why: String,
}
