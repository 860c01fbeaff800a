//! What a scenario is played with.

use std::path::Path;

use crate::migration::Pace;
use crate::plan::Seed;
use crate::record::Record;
use crate::scenario::ScenarioFile;

/// Everything beside the fleet that a scenario needs.
pub struct Context<'a> {
    pub record: &'a Record,
    /// The file that declares it, with the settings of its checks.
    pub file: &'a ScenarioFile,
    /// The scenario's folder in the run's folder.
    pub folder: &'a Path,
    /// The speed of its migrations, which its mode decides.
    pub pace: Pace,
    /// The seed of its order's random choices.
    pub seed: Seed,
}
