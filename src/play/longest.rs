//! The longest time that a scenario may take on a fleet.

use std::time::Duration;

use super::moves;
use crate::guest::Fleet;
use crate::migration;
use crate::plan::Seed;
use crate::scenario::Scenario;

/// The longest time that a scenario may take on a fleet, by the limits of its steps there.
pub fn longest(scenario: &Scenario, fleet: &Fleet, seed: Seed) -> Duration {
    let steps = moves::steps(scenario, fleet, seed).map_or(1, |steps| steps.len());
    migration::longest(scenario, &fleet.profile, u32::try_from(steps).unwrap_or(u32::MAX))
}
