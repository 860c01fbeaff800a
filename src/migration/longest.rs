//! The longest time that a scenario may take, by the limits of everything in it. A scenario that takes longer hangs.

use std::time::Duration;

use super::Limits;
use crate::scenario::{AtTimeout, Profile, Scenario};

/// How much longer than all its limits a scenario may take before it is given up.
pub const GRACE: Duration = Duration::from_secs(60);

/// The most for any scenario, however many moves its profile has and however long each may take: whoever started a run in the evening
/// learns of a hang by the next one.
pub const MOST: Duration = Duration::from_secs(24 * 3600);

/// The most for beginning and ending a scenario: the load's start (180 s), its end (less), images (60 s), logs (30 s each).
const AROUND: Duration = Duration::from_secs(2 * 180 + 60 + 3 * 30);

/// Looks that may follow each other until one without an answer is a finding, after which nothing moves any more: at a guest before
/// and after its move, at the hosts, at a load.
const LOOKS: u32 = 4;

/// The longest time that a scenario of so many steps may take. Each step may take a migration's timeout, a boot if it has one, and a
/// look. What follows a timeout comes once: the migration is given up, nobody answers, and nothing moves any more.
pub fn longest(scenario: &Scenario, profile: &Profile, steps: u32) -> Duration {
    let (limits, look) = (Limits::default(), profile.answer_limit());
    let boots = if scenario.boots_itself() { profile.boot_timeout } else { Duration::ZERO };
    // A guest that is suspended at its timeout arrives late, and the others move on.
    let late = if profile.at_timeout == AtTimeout::Abort { Duration::ZERO } else { limits.suspended };
    let step = profile.migration_timeout(scenario.mode) + late + boots + look;
    let once = limits.after_timeout() + look * LOOKS;
    let all = step.saturating_mul(steps) + once + profile.settle + profile.boot_timeout + AROUND;
    all.min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ScenarioFile;

    fn profile(name: &str) -> Profile {
        let file = ScenarioFile::parse("scenarios.toml", include_str!("../../scenarios.toml")).unwrap();
        file.profile(name).unwrap().clone()
    }

    fn scenario(name: &str) -> Scenario {
        name.parse().unwrap()
    }

    #[test]
    fn every_step_may_take_its_timeout_and_a_look() {
        let (lab, plain) = (profile("lab"), scenario("precopy_orderly::in_vms::stress_cpu"));
        let (one, two) = (longest(&plain, &lab, 1), longest(&plain, &lab, 2));
        assert_eq!(two - one, lab.precopy_timeout + lab.answer_limit());
        let suspends = Profile { at_timeout: AtTimeout::Suspend, ..lab.clone() };
        let late = longest(&plain, &suspends, 2) - longest(&plain, &suspends, 1);
        assert_eq!(late, two - one + Limits::default().suspended);
        let boots = scenario("precopy_simultaneous::booting::migrated_vms");
        assert_eq!(longest(&boots, &lab, 1) - one, lab.boot_timeout);
    }

    #[test]
    fn what_a_profile_allows_once_comes_once() {
        let (lab, plain) = (profile("lab"), scenario("precopy_orderly::in_vms::stress_cpu"));
        let patient = Profile { settle: lab.settle + Duration::from_secs(600), ..lab.clone() };
        let more = longest(&plain, &patient, 4) - longest(&plain, &lab, 4);
        assert_eq!(more, Duration::from_secs(600));
    }

    /// Two guests there and back in the lab: of 21 minutes on hosts with a CPU for each, 8 are four timeouts. Of almost two hours where
    /// every limit is stretched as far as limits are, it is 80 minutes.
    #[test]
    fn a_small_fleet_in_the_lab_hangs_for_minutes_at_most() {
        let plain = scenario("precopy_orderly::in_vms::stress_cpu");
        let lab = Profile { guests: 2, ..profile("lab") };
        let minutes = |profile: &Profile| longest(&plain, profile, 4).as_secs() / 60;
        assert_eq!(minutes(&lab.stretched(200)), 21);
        assert_eq!(minutes(&lab.stretched(1)), 114);
    }

    #[test]
    fn no_scenario_may_take_longer_than_a_day() {
        let plain = scenario("postcopy_orderly::in_vms::stress_cpu");
        assert_eq!(longest(&plain, &profile("reference"), 100), MOST);
        assert_eq!(longest(&plain, &profile("reference"), u32::MAX), MOST);
    }
}
