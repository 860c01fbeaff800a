//! What a run has come to when it has given the machine back.

use crate::failure::Result;

/// The end of a run, beside what came of its scenarios.
pub struct GivenBack {
    /// Whether all results are on disk.
    pub results: Result<()>,
    /// Whether the machine is as it was before the run.
    pub is_clean: bool,
    pub was_interrupted: bool,
    /// The reason why a run without failures is no success: none of its plays proved anything. None for any other run.
    pub unproved: Option<String>,
}
