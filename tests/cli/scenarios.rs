//! `multivm scenarios` and `multivm explain`.

use std::fs;
use std::path::Path;

use rstest::rstest;

use super::cli;
use super::counts::{MATRIX, QUARTER, SIZED, SMOKE};
use super::program::Cli;

#[rstest]
fn every_scenario_is_listed(cli: Cli) {
    let said = cli.run("scenarios");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let names: Vec<&str> = said.out.lines().collect();
    let golden: Vec<&str> = include_str!("../golden/names.txt").lines().collect();
    assert_eq!(names.len(), MATRIX);
    assert!(golden.iter().all(|name| names.contains(name)));
    assert!(
        said.err.starts_with(&format!("{MATRIX} scenarios")) && said.err.ends_with("(--ignored)\n"),
        "{}",
        said.err
    );
    assert!(names.iter().all(|name| !name.contains("random")));
}

#[rstest]
#[case::filter("scenarios postcopy_cross::in_vms", 4)]
#[case::ignored("scenarios --ignored _io", 2 * 3 * (2 + 6 * 2))]
#[case::filters("scenarios precopy_cross::in_vms postcopy_cross::in_vms", 8)]
#[case::exact("scenarios --exact postcopy_cross::in_vms::stress_cpu", 1)]
#[case::skip("scenarios postcopy_cross::in_vms --skip stress_ng", 2)]
#[case::set("scenarios --set quick", 4)]
#[case::set_for_each_change("scenarios --set ci", 24)]
#[case::computed_set("scenarios --set smoke", SMOKE)]
#[case::sizes("scenarios --sizing postcopy_cross::in_vms", 4 * 4)]
#[case::one_size("scenarios --sizing set_memory_2", MATRIX)]
#[case::filter_within_a_set("scenarios --set quick postcopy", 2)]
#[case::part("scenarios --shard 1/4", QUARTER)]
#[case::part_of_a_selection("scenarios postcopy_cross --shard 3/4", 13)]
#[case::named_in_full("scenarios --shard 2/2 --exact postcopy_cross::in_vms::stress_cpu", 1)]
fn a_selection_is_listed(cli: Cli, #[case] arguments: &str, #[case] expected: usize) {
    let said = cli.run(arguments);
    assert_eq!((said.out.lines().count(), said.code), (expected, Some(0)), "{}{}", said.out, said.err);
}

#[rstest]
#[case::on("1", SIZED)]
#[case::off("0", MATRIX)]
#[case::nothing("", MATRIX)]
fn sizes_are_switched_on_by_a_variable(cli: Cli, #[case] value: &str, #[case] expected: usize) {
    let said = cli.run_with("scenarios", &[("MULTIVM_SIZING", value)]);
    assert_eq!((said.out.lines().count(), said.code), (expected, Some(0)), "{}", said.err);
}

#[rstest]
#[case::a_part("2/4", QUARTER)]
#[case::nothing("", MATRIX)]
fn a_part_is_asked_for_by_a_variable(cli: Cli, #[case] value: &str, #[case] expected: usize) {
    let said = cli.run_with("scenarios", &[("MULTIVM_SHARD", value)]);
    assert_eq!((said.out.lines().count(), said.code), (expected, Some(0)), "{}", said.err);
}

#[rstest]
#[case::none("scenarios --sets", &[], "all")]
#[case::argument("scenarios --sets --set smoke", &[], "smoke")]
#[case::variable("scenarios --sets", &[("MULTIVM_SET", "quick")], "quick")]
fn the_sets_are_listed(
    cli: Cli,
    #[case] arguments: &str,
    #[case] variables: &[(&str, &str)],
    #[case] selected: &str,
) {
    let said = cli.run_with(arguments, variables);
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    let lines: Vec<&str> = said.out.lines().collect();
    for (line, start) in lines.iter().zip([
        format!("all  {MATRIX:>6}  Every "),
        "ci       24  Every value ".into(),
        "quick     4  Both ".into(),
        format!("smoke {SMOKE:>5}  Every pair "),
    ]) {
        assert!(line.starts_with(&start), "{line}");
        assert_eq!(line.ends_with(". (selected)"), line.starts_with(selected), "{line}");
    }
    assert_eq!(lines.len(), 4);
}

#[rstest]
#[case("explain postcopy_cross::in_vms::stress_memory")]
#[case("scenarios --explain postcopy_cross::in_vms::stress_memory")]
fn a_scenario_is_explained_with_what_the_environment_says(cli: Cli, #[case] arguments: &str) {
    let said = cli.run_with(arguments, &[("MULTIVM_GUESTS", "2")]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for part in ["Fleet: 2 guests", "1. guest 2 goes out;", "VIR_MIGRATE_POSTCOPY", "- reboot ("] {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
}

/// The reference's fleet, whose images are on the machine of whoever has them: each guest has its line, with its image and its size.
#[rstest]
fn a_fleet_of_several_images_is_explained_guest_by_guest(cli: Cli) {
    let fleet = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("fixtures/reference.toml");
    let fleet = fleet.to_str().unwrap();
    let said = cli.run_with(
        "explain postcopy_orderly::in_vms::stress_cpu --profile reference",
        &[("MULTIVM_CATALOGUE", fleet)],
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    let guests: Vec<&str> = said.out.lines().filter(|line| line.starts_with("  - vm")).collect();
    let expected = [
        "  - vm1-rhel-7-7: 2 vCPUs, 2GiB, rhel-7-7",
        "  - vm2-rhel-7-6: 2 vCPUs, 2GiB, rhel-7-6",
        "  - vm3-rhel-8-0: 4 vCPUs, 4GiB, rhel-8-0",
        "  - vm4-rhel-8-0: 4 vCPUs, 4GiB, rhel-8-0",
        "  - vm5-rhel-7-7: 2 vCPUs, 2GiB, rhel-7-7",
        "  - vm6-rhel-7-7: 2 vCPUs, 2GiB, rhel-7-7",
        "  - vm7-rhel-7-6-alt: 1 vCPU, 1GiB, rhel-7-6-alt",
        "  - vm8-rhel-7-6-alt: 1 vCPU, 1GiB, rhel-7-6-alt",
        "  - vm9-rhel-7-6: 2 vCPUs, 2GiB, rhel-7-6",
        "  - vm10-rhel-7-6: 2 vCPUs, 2GiB, rhel-7-6",
    ];
    assert_eq!(guests, expected);
    assert!(said.out.contains("Moves: 5 rounds there and back"), "{}", said.out);
    // To play it, the images must be there.
    let said = cli.run_with(&format!("doctor --catalogue {fleet}"), &[]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("rhel-8.0.qcow2 cannot be booted: No such file"), "{}", said.err);
}

#[rstest]
fn a_budget_is_explained(cli: Cli) {
    let own = cli.place().join("own.toml");
    let package = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("scenarios.toml");
    let budget = "[[budget]]\nwhen = { mode = [\"postcopy\"] }\nmax_downtime = \"500ms\"\nreason = \"clients give up\"\n";
    fs::write(&own, fs::read_to_string(package).unwrap() + budget).unwrap();
    let explain = |name: &str| {
        cli.run_with(&format!("explain {name}"), &[("MULTIVM_SCENARIOS", own.to_str().unwrap())])
    };
    let said = explain("postcopy_cross::in_vms::stress_memory");
    let line = "Budget of every migration: downtime at most 500ms (clients give up).\n";
    assert!(said.out.ends_with(line), "{}{}", said.out, said.err);
    assert!(!explain("precopy_cross::in_vms::stress_memory").out.contains("Budget"));
}

/// Cases beyond the matrix: listed on demand, dealt in parts, found by name, and said to be ignored.
#[rstest]
fn ignored_cases_are_known(cli: Cli) {
    let count = |arguments: &str| cli.run(arguments).out.lines().count();
    let all = count("scenarios --ignored");
    assert!(all > 0);
    assert_eq!(count("scenarios --include-ignored"), count("scenarios") + all);
    let parts: usize = (1..=3).map(|part| count(&format!("scenarios --ignored --shard {part}/3"))).sum();
    assert_eq!(parts, all);
    let said = cli.run("scenarios random");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("is ignored") && said.err.contains("--include-ignored"), "{}", said.err);
    let said = cli.run_with("explain precopy_random::in_vms::stress_cpu", &[("MULTIVM_SEED", "42")]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("1. guests 1 and 2 go out together") && said.out.contains("Ignored unless"));
}

/// What is printed is what replays: the seed of a plan, taken from the text, makes the same plan again, and another seed does not.
#[rstest]
#[case::of_three("MULTIVM_GUESTS", "3")]
#[case::of_ten("MULTIVM_GUESTS", "10")]
#[case::of_many_rounds("MULTIVM_ROUNDS", "4")]
fn a_printed_seed_replays_its_plan(cli: Cli, #[case] name: &str, #[case] value: &str) {
    let explain = |seed: &str| {
        let said = cli
            .run_with("explain precopy_random::in_vms::stress_cpu", &[(name, value), ("MULTIVM_SEED", seed)]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out
    };
    let chosen = explain("");
    let (_, rest) = chosen.split_once(", by the seed ").expect("a plan says its seed");
    let (seed, _) = rest.split_once(" (MULTIVM_SEED)").expect("and the variable that replays it");
    assert_eq!(explain(seed), chosen);
    let others: Vec<String> = (0..5).map(|other| explain(&other.to_string())).collect();
    let moves = |text: &str| {
        text.lines().filter(|line| line.ends_with("; prove.")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(!moves(&chosen).is_empty() && others.iter().any(|other| moves(other) != moves(&chosen)));
}
