//! What a stage asks of those who play its scenarios.

use std::time::Duration;

use super::slot::Builder;
use crate::failure::Result;
use crate::plan::Seed;
use crate::play::{Context, Played};
use crate::record::Outcome;
use crate::scenario::{Profile, Scenario, ScenarioFile};

/// Plays scenarios on the fixtures of its builder, by three calls of a stage.
pub trait Player: Builder {
    /// The longest time in which a fixture is built or mended before the stage gives it up.
    fn ready_limit(&self, profile: &Profile) -> Duration;

    /// The longest time that a scenario may take before the stage gives it up.
    fn limit(&self, scenario: &Scenario, fixture: &Self::Fixture, seed: Seed) -> Duration;

    /// Plays a scenario on a whole fixture. The result also reports every failure.
    fn play(&self, scenario: &Scenario, fixture: &Self::Fixture, context: &Context<'_>) -> Played;

    /// Looks at a fixture after the last scenario, whose name is given. The outcome has what befell the fixture since; none
    /// if nothing did. `was_whole` says that the last scenario found no damage to the fixture.
    fn last_look(
        &self,
        scenario: &str,
        fixture: &Self::Fixture,
        was_whole: bool,
        file: &ScenarioFile,
    ) -> Option<Outcome>;

    /// Makes a scenario's migrations alone and returns their time; none for a scenario without such a floor.
    ///
    /// # Errors
    ///
    /// A migration fails.
    fn floor(&self, scenario: &Scenario, fixture: &Self::Fixture, seed: Seed) -> Result<Option<Duration>>;
}
