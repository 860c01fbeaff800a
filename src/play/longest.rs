//! The longest time that a scenario may take, by the limits of everything in it. A scenario that takes longer hangs.

use std::time::Duration;

use super::moves;
use crate::guest::Fleet;
use crate::migration::Limits;
use crate::plan::Seed;
use crate::scenario::{Profile, Scenario};

/// The most for beginning and ending a scenario: the load's start (180 s), its end (less), images (60 s), logs (30 s each).
const AROUND: Duration = Duration::from_secs(2 * 180 + 60 + 3 * 30);

/// Looks of a step that may follow each other: at a guest before and after its move, at the hosts, at a load.
const LOOKS: u32 = 4;

/// The longest time that a scenario may take on a fleet.
pub fn longest(scenario: &Scenario, fleet: &Fleet, seed: Seed) -> Duration {
    let steps = moves::steps(scenario, fleet, seed).map_or(1, |steps| steps.len());
    of(scenario, &fleet.profile, u32::try_from(steps).unwrap_or(u32::MAX), fleet.answer_limit())
}

fn of(scenario: &Scenario, profile: &Profile, steps: u32, look: Duration) -> Duration {
    let boots = if scenario.boots_itself() { profile.boot_timeout } else { Duration::ZERO };
    let step =
        profile.migration_timeout(scenario.mode) + Limits::default().after_timeout() + boots + look * LOOKS;
    step * steps + profile.settle + profile.boot_timeout + AROUND + look * LOOKS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ScenarioFile;

    #[test]
    fn every_step_may_take_its_timeout_and_what_comes_after_it() {
        let file = ScenarioFile::parse("scenarios.toml", include_str!("../../scenarios.toml")).unwrap();
        let profile = file.profile("lab").unwrap();
        let scenario = |name: &str| name.parse::<Scenario>().unwrap();
        let look = Duration::from_secs(20);
        let plain = scenario("precopy_orderly::in_vms::stress_cpu");
        let (one, two) = (of(&plain, profile, 1, look), of(&plain, profile, 2, look));
        assert_eq!(two - one, profile.precopy_timeout + Duration::from_secs(30 + 60 + 10) + look * LOOKS);
        let mut patient = profile.clone();
        patient.settle += Duration::from_secs(600);
        assert_eq!(of(&plain, &patient, 1, look) - one, Duration::from_secs(600));
        let boots = scenario("precopy_simultaneous::booting::migrated_vms");
        assert_eq!(of(&boots, profile, 1, look) - one, profile.boot_timeout);
    }
}
