//! A check before a scenario is played: which scenarios ask it, and what it proves of each.

use super::{About, AfterAll, Asked, Proof, Scene, plain};
use crate::failure::Result;
use crate::scenario::{Profile, Scenario, ScenarioFile};

/// One check. A new one is a file with a type that implements this, and a line in [`CHECKS`](super::CHECKS).
pub trait Check: Sync {
    fn about(&self) -> &'static About;

    /// Whether a scenario asks this check at all.
    fn applies(&self, _scenario: &Scenario) -> bool {
        true
    }

    /// What the check proves of a scenario under a profile, in one line of plain text.
    fn explain(&self, _scenario: &Scenario, _profile: &Profile) -> String {
        let about = self.about();
        format!("{}: {}", about.summary, plain(about.how))
    }

    /// What the scenario file sets for this check in a scenario, a line of plain text for each setting.
    fn settings(&self, _scenario: &Scenario, _file: &ScenarioFile) -> Vec<String> {
        Vec::new()
    }

    /// Judges what has happened since the end of the last scenario, before the run lets go of its hosts.
    fn after_all(&self, _after: &AfterAll<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Begins to watch a scenario, before its first move.
    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>>;
}
