use super::*;
use crate::report::compare::testing::{Noise as Random, Writer};

/// Total time (seconds), downtime (milliseconds) and volume (MiB) of a leg, as precopy and postcopy have them in the lab.
type Leg = (f64, f64, f64);

const GROUPS: [(&str, Leg); 4] = [
    ("precopy_orderly", (2.0, 120.0, 190.0)),
    ("precopy_simultaneous", (3.5, 150.0, 180.0)),
    ("postcopy_orderly", (1.6, 7.0, 180.0)),
    ("postcopy_cross", (2.4, 8.0, 160.0)),
];

/// What happens to a scenario in one of the two runs beside noise.
type Change<'a> = &'a dyn Fn(&str, Leg) -> Leg;

fn same(_: &str, leg: Leg) -> Leg {
    leg
}

/// A run of `count` scenarios in each group. Of the noise, the larger part is common to the legs of a scenario, as it was
/// measured: a factor of 1.5 from run to run, of 1.25 within.
fn run(seed: u64, count: usize, change: Change) -> Run {
    let mut random = Random::new(seed);
    let mut writer = Writer::new();
    for (group, typical) in GROUPS {
        for number in 0..count {
            let name = format!("{group}::in_vms::load_{number}");
            let minute = random.long_tailed() * 0.28;
            let legs: Vec<Leg> = (0..6)
                .map(|_| {
                    let (total, downtime, mib) = change(&name, typical);
                    (
                        total * (minute + random.normal() * 0.22).exp(),
                        downtime * (minute + random.normal() * 0.4).exp(),
                        mib * (random.normal() * 0.08).exp(),
                    )
                })
                .collect();
            writer = writer.played(&name, &legs);
        }
    }
    writer.run()
}

fn compare(base: &Run, new: &Run) -> Comparison {
    Comparison::of((base, "base"), (new, "new")).unwrap()
}

fn worse(comparison: &Comparison, metric: Metric) -> Vec<&str> {
    let claims = comparison.claims(Claim::Worse);
    claims.into_iter().filter(|(_, it)| it.metric == metric).map(|(one, _)| one.scenario.as_str()).collect()
}

fn worse_groups(comparison: &Comparison, metric: Metric) -> Vec<&str> {
    let is_worse =
        |group: &&Group| group.measured.iter().any(|it| it.metric == metric && it.claim == Claim::Worse);
    comparison.groups.iter().filter(is_worse).map(|group| group.group.as_str()).collect()
}

/// Forty comparisons of equal stacks, of 4 to 120 scenarios: none is called a regression.
#[test]
fn equal_stacks_have_no_regression() {
    for (seed, count) in (0..40).zip([1, 3, 12, 30].into_iter().cycle()) {
        let comparison = compare(&run(2 * seed, count, &same), &run(2 * seed + 1, count, &same));
        assert_eq!(comparison.reasons(), [""; 0], "seed {seed}, {count} scenarios in each group");
        assert!(!comparison.regression);
    }
}

#[test]
fn a_run_has_no_regression_against_itself() {
    let base = run(1, 12, &same);
    let comparison = compare(&base, &base);
    assert!(!comparison.regression);
    assert!(comparison.scenarios.iter().flat_map(|one| &one.measured).all(|it| it.factor == 1.0));
}

/// A tenth of the bandwidth: nearly all scenarios are named, and nothing is said of downtimes and volumes.
#[test]
fn a_tenth_of_the_bandwidth_is_found_everywhere() {
    for (seed, count, least) in [(1, 1, 2), (2, 12, 38), (3, 40, 135)] {
        let slow = |_: &str, (total, downtime, mib): Leg| (total * 10.0, downtime, mib);
        let comparison = compare(&run(100 + seed, count, &same), &run(200 + seed, count, &slow));
        assert!(comparison.regression);
        let found = worse(&comparison, Metric::TotalTime).len();
        assert!(found >= least, "{found} of {}", 4 * count);
        assert_eq!(
            worse(&comparison, Metric::Downtime).len() + worse(&comparison, Metric::DataVolume).len(),
            0
        );
        if count > 1 {
            assert_eq!(worse_groups(&comparison, Metric::TotalTime).len(), 5);
            assert_eq!(comparison.alike.len(), 1, "{:?}", comparison.alike);
        }
    }
}

/// Where post-copy alone is slower, nothing of pre-copy is named.
#[test]
fn the_right_scenarios_are_named() {
    let slow = |name: &str, (total, downtime, mib): Leg| {
        (if name.starts_with("postcopy") { total * 6.0 } else { total }, downtime, mib)
    };
    let comparison = compare(&run(7, 18, &same), &run(8, 18, &slow));
    let found = worse(&comparison, Metric::TotalTime);
    assert!(found.len() >= 22 && found.iter().all(|name| name.starts_with("postcopy")), "{found:?}");
    assert_eq!(worse_groups(&comparison, Metric::TotalTime), ["postcopy_cross", "postcopy_orderly"]);
    assert!(comparison.alike.is_empty());
}

/// One among 160, by far: what a test on its 6 legs alone could never say after the correction for 480 tests.
#[test]
fn one_scenario_is_found_among_many() {
    let name = "postcopy_cross::in_vms::load_7";
    let slow = |given: &str, (total, downtime, mib): Leg| {
        if given == name { (total + 6.0, 5000.0, mib) } else { (total, downtime, mib) }
    };
    let comparison = compare(&run(9, 40, &same), &run(10, 40, &slow));
    assert_eq!(worse(&comparison, Metric::Downtime), [name]);
    assert_eq!(worse_groups(&comparison, Metric::Downtime), [""; 0]);
    assert!(comparison.headline().starts_with("REGRESSION: downtime is worse in 1 scenario"));
}

/// One leg of 6 does not make a scenario worse; it is in the tails that are shown.
#[test]
fn one_long_leg_is_shown_and_not_claimed() {
    let name = "precopy_orderly::in_vms::stress_cpu";
    let legs = [(1.0, 50.0, 100.0); 6];
    let mut one_long = legs;
    one_long[3].1 = 900.0;
    let comparison =
        compare(&Writer::new().played(name, &legs).run(), &Writer::new().played(name, &one_long).run());
    assert!(!comparison.regression);
    assert_eq!(comparison.scenarios[0].measured[0].new.max, 900.0);
}

/// A machine that is slower by less than the least that matters: said, and no regression.
#[test]
fn a_machine_that_is_a_third_slower_is_told_and_is_no_regression() {
    let slow = |_: &str, (total, downtime, mib): Leg| (total * 1.3, downtime, mib);
    let base = run(11, 30, &same);
    let comparison = compare(&base, &run(11, 30, &slow));
    assert!(!comparison.regression, "{:?}", comparison.reasons());
    assert_eq!(comparison.alike.len(), 1);
    assert_eq!(comparison.alike[0].metric, Metric::TotalTime);
}

#[test]
fn what_got_better_is_told_and_is_no_regression() {
    let fast = |_: &str, (total, downtime, mib): Leg| (total / 8.0, downtime, mib);
    let comparison = compare(&run(13, 12, &fast), &run(14, 12, &same));
    assert!(comparison.regression);
    let back = compare(&run(14, 12, &same), &run(13, 12, &fast));
    assert!(!back.regression);
    assert!(back.claims(Claim::Better).len() >= 20, "{}", back.claims(Claim::Better).len());
}

#[test]
fn the_same_clock_is_taken_on_both_sides() {
    let name = "precopy_orderly::in_vms::stress_cpu";
    let old = Writer::new().played(name, &[(1.0, 50.0, 100.0); 6]).run();
    let new = Writer::new()
        .started(name)
        .leg("vm0", 1.0, Some(50), 1 << 20)
        .downtime("vm0", 700.0)
        .finished(name, Verdict::Passed)
        .run();
    let comparison = compare(&old, &new);
    assert_eq!(comparison.downtime_clock, DowntimeClock::Libvirt);
    assert!(comparison.notes[0].starts_with("BASE has no downtime events"), "{:?}", comparison.notes);
    assert_eq!(comparison.scenarios[0].measured[0].new.max, 50.0);
    assert_eq!(compare(&new, &new).downtime_clock, DowntimeClock::Reported);
    assert_eq!(compare(&new, &new).scenarios[0].measured[0].new.max, 700.0);
}

#[test]
fn without_a_common_scenario_there_is_nothing_to_compare() {
    let one = Writer::new().played("precopy_orderly::a::b", &[]).run();
    let other = Writer::new().played("precopy_orderly::a::c", &[]).run();
    assert!(Comparison::of((&one, "a"), (&other, "b")).is_none());
}
