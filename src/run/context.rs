//! What a scenario is played with.

use std::path::Path;

use crate::migration::Pace;
use crate::plan::Seed;
use crate::record::Record;
use crate::scenario::{AllowedLine, Budget};

/// Everything beside the fleet that a scenario needs.
pub struct Context<'a> {
    pub record: &'a Record,
    pub allowed_lines: &'a [AllowedLine],
    /// The limits of its migrations.
    pub budget: &'a Budget,
    /// The scenario's folder in the run's folder.
    pub folder: &'a Path,
    /// The speed of its migrations, which its mode decides.
    pub pace: Pace,
    /// The seed of its order's random choices.
    pub seed: Seed,
}
