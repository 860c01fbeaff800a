use crate::record::Verdict;
use crate::report::compare::testing::{Writer, find, named};
use crate::report::compare::{Comparison, Metric};

/// Total time (seconds), reported downtime (milliseconds), and volume (MiB) of a leg.
type Leg = (f64, f64, f64);

/// One leg of 6 does not make a scenario worse; it is in the tails that are shown.
#[test]
fn one_long_leg_is_shown_and_not_claimed() {
    let name = "precopy_orderly::in_vms::stress_cpu";
    let legs = [(1.0, 50.0, 100.0); 6];
    let mut one_long = legs;
    one_long[3].1 = 900.0;
    let side = |first: usize, legs: &[Leg]| {
        [0, 1, 2].map(|at| named(Writer::new().played(name, legs).run(), &(first + at).to_string()))
    };
    let comparison = Comparison::of(&side(0, &legs), &side(3, &one_long)).unwrap();
    assert!(!comparison.regression);
    assert_eq!(find(&comparison.scenarios, name, Metric::LibvirtDowntime).new.max, 900.0);
}

#[test]
fn the_same_clock_is_taken_on_both_sides() {
    let name = "precopy_orderly::in_vms::stress_cpu";
    let old = named(Writer::new().played(name, &[(1.0, 50.0, 100.0); 6]).run(), "old");
    let new = |run: &str| {
        let leg = Writer::new().started(name).leg("vm0", 1.0, Some(50), 1 << 20);
        named(leg.downtime("vm0", 700.0).finished(name, Verdict::Passed).run(), run)
    };
    let comparison = Comparison::of(&[old], &[new("a")]).unwrap();
    assert!(comparison.notes[0].starts_with("BASE has no downtime events"), "{:?}", comparison.notes);
    assert_eq!(find(&comparison.scenarios, name, Metric::LibvirtDowntime).new.max, 50.0);
    let both = Comparison::of(&[new("a")], &[new("b")]).unwrap();
    assert_eq!(find(&both.scenarios, name, Metric::Downtime).new.max, 700.0);
}

/// Five runs of two scenarios by one stack in the lab (two cores, TCG, libvirt 11.3, QEMU 10.0, 2026-11-26): total time,
/// reported downtime, volume of every leg.
const MEASURED: [[[Leg; 6]; 2]; 5] = [
    [
        [
            (1.76, 212.0, 119.0),
            (1.45, 396.0, 112.0),
            (1.65, 269.0, 126.0),
            (1.68, 361.0, 115.0),
            (1.09, 155.0, 104.0),
            (1.00, 267.0, 105.0),
        ],
        [
            (3.38, 531.0, 197.0),
            (3.65, 461.0, 239.0),
            (3.56, 629.0, 197.0),
            (2.35, 386.0, 196.0),
            (2.68, 418.0, 201.0),
            (2.70, 259.0, 196.0),
        ],
    ],
    [
        [
            (1.94, 157.0, 129.0),
            (0.91, 192.0, 103.0),
            (1.23, 303.0, 112.0),
            (0.99, 280.0, 107.0),
            (1.90, 334.0, 121.0),
            (0.88, 278.0, 101.0),
        ],
        [
            (3.47, 478.0, 196.0),
            (3.34, 322.0, 213.0),
            (3.46, 727.0, 196.0),
            (2.50, 514.0, 198.0),
            (2.61, 306.0, 202.0),
            (2.42, 313.0, 242.0),
        ],
    ],
    [
        [
            (1.68, 218.0, 120.0),
            (0.86, 101.0, 106.0),
            (1.86, 224.0, 127.0),
            (0.94, 240.0, 104.0),
            (0.80, 238.0, 99.0),
            (2.06, 177.0, 123.0),
        ],
        [
            (3.48, 618.0, 209.0),
            (3.74, 737.0, 216.0),
            (3.42, 426.0, 198.0),
            (2.35, 456.0, 201.0),
            (2.94, 476.0, 204.0),
            (2.44, 453.0, 203.0),
        ],
    ],
    [
        [
            (1.85, 326.0, 120.0),
            (1.83, 226.0, 133.0),
            (1.80, 613.0, 114.0),
            (1.68, 293.0, 123.0),
            (2.08, 312.0, 131.0),
            (0.85, 376.0, 101.0),
        ],
        [
            (2.70, 688.0, 200.0),
            (2.91, 301.0, 207.0),
            (3.25, 547.0, 202.0),
            (3.17, 838.0, 208.0),
            (2.90, 283.0, 220.0),
            (2.90, 709.0, 196.0),
        ],
    ],
    [
        [
            (2.21, 253.0, 132.0),
            (1.15, 378.0, 102.0),
            (2.35, 282.0, 130.0),
            (1.52, 532.0, 113.0),
            (1.96, 429.0, 118.0),
            (1.35, 237.0, 108.0),
        ],
        [
            (3.95, 894.0, 260.0),
            (4.17, 566.0, 201.0),
            (4.06, 906.0, 218.0),
            (3.61, 531.0, 197.0),
            (2.55, 757.0, 196.0),
            (2.49, 273.0, 201.0),
        ],
    ],
];

/// However real runs of one stack are dealt into sides, nothing is claimed.
#[test]
fn real_runs_of_one_stack_have_no_regression() {
    let names = ["precopy_orderly::in_vms::stress_cpu", "postcopy_simultaneous::in_vms::stress_memory"];
    let run = |at: usize| {
        let writer = Writer::new().played(names[0], &MEASURED[at][0]).played(names[1], &MEASURED[at][1]);
        named(writer.run(), &at.to_string())
    };
    let mut compared = 0;
    for mask in 1_usize..31 {
        let (new, base): (Vec<_>, Vec<_>) = (0..5).partition(|at| mask & (1 << at) != 0);
        let side = |places: Vec<usize>| places.into_iter().map(run).collect::<Vec<_>>();
        let comparison = Comparison::of(&side(base), &side(new)).unwrap();
        assert_eq!(comparison.reasons, [""; 0], "{mask:05b}");
        compared += 1;
    }
    assert_eq!(compared, 30);
}
