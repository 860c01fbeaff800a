//! One move of one guest, and what libvirt gets for it: a pure function of mode, transport and profile.

use std::time::Duration;

use super::{Options, Pace, mode, transport};
use crate::libvirt::Migration;
use crate::plan::Side;
use crate::scenario::{AtTimeout, Mode, Profile, Scenario};

/// The options of every move of a scenario under a profile.
pub fn options(scenario: &Scenario, profile: &Profile, pace: Pace) -> Options {
    let migration = Migration { live: true, persist_dest: true, ..Migration::default() };
    let mut options = Options { migration, ..Options::default() };
    (mode::of(scenario.mode).asks)(&mut options, scenario, profile, pace);
    (transport::of(scenario.transport).asks)(&mut options.migration);
    options
}

/// One move of one guest.
#[derive(Debug, Clone)]
pub struct Move {
    pub from: Side,
    pub to: Side,
    pub mode: Mode,
    pub options: Options,
    pub timeout: Duration,
    /// The pass over the memory in which the order to switch to post-copy comes, in a mode that switches.
    pub switch_in_pass: i32,
    /// How long after the beginning of that pass the order comes. It comes at once when the pass is over.
    pub switch_after: Duration,
    /// What the watch does with a pre-copy migration at its timeout.
    pub at_timeout: AtTimeout,
}

impl Move {
    /// A move of a scenario under a profile.
    pub fn of(scenario: &Scenario, profile: &Profile, pace: Pace, from: Side, to: Side) -> Move {
        let options = options(scenario, profile, pace);
        // A guest that moves alone waits for no other, and a pass without a limit cannot be held open.
        let is_held = scenario.order.row().parallel && options.migration.bandwidth_mib.is_some();
        Move {
            from,
            to,
            mode: scenario.mode,
            options,
            timeout: profile.migration_timeout(scenario.mode),
            switch_in_pass: pace.switch_in_pass(),
            switch_after: if is_held { pace.switch_after() } else { Duration::ZERO },
            at_timeout: profile.at_timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::scenario::{Bytes, ScenarioFile};

    const FILE: &str = include_str!("../../scenarios.toml");

    fn profile() -> Profile {
        let file = ScenarioFile::parse("scenarios.toml", FILE).unwrap();
        let mut profile = file.profile("lab").unwrap().clone();
        profile.bandwidth = Some(Bytes(64 << 20));
        profile.first_pass_bandwidth = Bytes(32 << 20);
        profile.downtime_limit = Duration::from_millis(300);
        profile
    }

    #[rstest]
    #[case(
        "precopy_orderly::in_vms::stress_cpu",
        "VIR_MIGRATE_LIVE | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_AUTO_CONVERGE, bandwidth 64 MiB/s, downtime-limit 300 ms"
    )]
    #[case(
        "precopy_compressed::booting::load_vms",
        "VIR_MIGRATE_LIVE | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_AUTO_CONVERGE | VIR_MIGRATE_COMPRESSED, bandwidth 64 \
         MiB/s, compression xbzrle, downtime-limit 300 ms"
    )]
    #[case(
        "postcopy_cross::in_vms::stress_cpu",
        "VIR_MIGRATE_LIVE | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_POSTCOPY, bandwidth 32 MiB/s, bandwidth after the \
         switch 64 MiB/s, available bandwidth for the switchover 1 MiB/s (from libvirt 11.1.0 and QEMU 8.2.0 on), downtime-limit 1 ms"
    )]
    #[case(
        "postcopy_orderly::booting::migrated_vms",
        "VIR_MIGRATE_LIVE | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_POSTCOPY, bandwidth 2 MiB/s, bandwidth after the \
         switch 64 MiB/s, available bandwidth for the switchover 1 MiB/s (from libvirt 11.1.0 and QEMU 8.2.0 on), downtime-limit 1 ms"
    )]
    fn libvirt_is_handed_what_mode_and_transport_ask(#[case] name: &str, #[case] expected: &str) {
        let scenario: Scenario = name.parse().unwrap();
        assert_eq!(options(&scenario, &profile(), Pace::default()).to_string(), expected);
    }

    #[test]
    fn a_pause_of_no_time_is_a_millisecond_at_least() {
        let scenario: Scenario = "precopy_orderly::in_vms::stress_cpu".parse().unwrap();
        let profile = Profile { downtime_limit: Duration::ZERO, bandwidth: None, ..profile() };
        let options = options(&scenario, &profile, Pace::default());
        assert_eq!((options.max_downtime_ms, options.migration.bandwidth_mib), (1, None));
    }

    #[test]
    fn the_second_play_of_a_post_copy_scenario_sends_its_first_pass_slower() {
        let scenario: Scenario = "postcopy_cross::in_vms::stress_cpu".parse().unwrap();
        let missed = [crate::migration::LegReport::default()];
        let pace = super::super::again(Mode::Postcopy, Pace::default(), &missed).unwrap().pace;
        let options = options(&scenario, &profile(), pace);
        assert_eq!(options.migration.bandwidth_mib, Some(2));
        assert_eq!(options.migration.post_copy_bandwidth_mib, Some(64), "the rest as fast as before");
    }

    #[rstest]
    #[case("precopy_cross::in_vms::stress_cpu", None, 13, None)]
    #[case("precopy_cross::in_vms::stress_cpu", Some(64), 13, Some(64))]
    #[case("precopy_cross::in_vms::stress_cpu", Some(8), 8, Some(8))]
    #[case("precopy_simultaneous::booting::migrated_vms", Some(64), 5, Some(64))]
    fn a_first_pass_is_held_back_and_no_later_one(
        #[case] scenario: &str,
        #[case] bandwidth: Option<u64>,
        #[case] first: u64,
        #[case] later: Option<u64>,
    ) {
        let scenario = scenario.parse().unwrap();
        let bandwidth = bandwidth.map(|mib| Bytes(mib << 20));
        let profile = Profile { memory: Bytes(256 << 20), bandwidth, ..profile() };
        let options = options(&scenario, &profile, super::mode::together(Mode::Precopy, Pace::default()));
        assert_eq!(options.migration.bandwidth_mib, Some(first));
        assert_eq!(options.after_first_pass.unwrap().mib, later);
    }
}
