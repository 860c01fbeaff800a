//! Bad input: a message, exit status 2, and nothing touched.

use std::fs;
use std::path::Path;

use rstest::rstest;

use super::cli;
use super::program::Cli;

#[rstest]
#[case::typing_mistake("explain postcopy_cros::in_vms::stress_cpu", &[], "did you mean `postcopy_cross::in_vms::stress_cpu`?")]
#[case::not_a_name("explain everything", &[], "{mode}_{order}::{where}::{what}")]
#[case::left_out("explain precopy_compressed::in_vms::stress_cpu", &[], "compression is run under one load")]
#[case::filter("scenarios postcopy_crss", &[], "did you mean `postcopy_cross`?")]
#[case::filter_in_exact("scenarios --exact postcopy_cross", &[], "whose name is `postcopy_cross`")]
#[case::set("scenarios --set fast", &[], "`all`, `ci`, `quick`")]
#[case::set_by_variable("scenarios", &[("MULTIVM_SET", "fast")], "`all`, `ci`, `quick`")]
#[case::profile("explain --profile big postcopy_cross::in_vms::stress_cpu", &[], "`lab`, `reference`")]
#[case::profile_by_variable("doctor", &[("MULTIVM_PROFILE", "big")], "`lab`, `reference`")]
#[case::profile_variable("doctor", &[("MULTIVM_GUESTS", "many")], "a whole number from 1 to 200")]
#[case::size_of_guests("scenarios", &[("MULTIVM_SIZING", "on")], "MULTIVM_SIZING: 1 (on), 0 (off)")]
#[case::shard("scenarios --shard 5/4", &[], "PART/PARTS, as 1/4 to 4/4")]
#[case::shard_by_variable("scenarios", &[("MULTIVM_SHARD", "half")], "PART/PARTS, as 1/4 to 4/4")]
#[case::suite("doctor", &[("MULTIVM_SUITE", "sid")], "trixie")]
#[case::up_with_a_wrong_suite("lab up", &[("MULTIVM_SUITE", "sid")], "trixie")]
#[case::arch("doctor", &[("MULTIVM_GUEST_ARCH", "arm64")], "allowed: `x86_64`, `aarch64`, `ppc64le`")]
#[case::suite_for_an_arch("doctor", &[("MULTIVM_GUEST_ARCH", "ppc64le"), ("MULTIVM_SUITE", "bookworm")], "allowed: trixie, forky")]
#[case::arch_of_machines("lab up --kind machines", &[("MULTIVM_GUEST_ARCH", "aarch64")], "allowed: x86_64 on hosts that are no lab")]
#[case::kind("lab up --kind kvm", &[], "`lab`, `machines`")]
#[case::kind_by_variable("lab up", &[("MULTIVM_STAND", "kvm")], "`lab`, `machines`")]
#[case::suite_of_machines("lab up --kind machines", &[("MULTIVM_SUITE", "bookworm")], "machine hosts of bookworm: allowed: trixie")]
#[case::expired("doctor", &[("MULTIVM_EXPIRED", "noble")], "`noble` is no suite; allowed: all")]
#[case::size("reap", &[("MULTIVM_HOST_SIZE", "2")], "CPUs:memory")]
#[case::machine("lab ssh vm0", &[], "vm1 to vm200")]
#[case::end_of_nobody("lab up --until-exit 0", &[], "the pid of a process that runs")]
#[case::end_of_nothing("lab up --until-exit x", &[], "the pid of a process that runs")]
#[case::merge_of_nothing("merge /nowhere --output /nowhere/else", &[], "/nowhere")]
#[case::merge_to_nowhere("merge /nowhere", &[], "--output")]
#[case::sets_with_a_filter("scenarios --sets cross", &[], "cannot be used with")]
#[case::command("raise", &[], "Usage:")]
#[case::file("scenarios --file /nowhere.toml", &[], "/nowhere.toml")]
#[case::file_by_variable("scenarios", &[("MULTIVM_SCENARIOS", "/nowhere.toml")], "/nowhere.toml")]
fn a_mistake_is_told_and_nothing_is_touched(
    cli: Cli,
    #[case] arguments: &str,
    #[case] variables: &[(&str, &str)],
    #[case] told: &str,
) {
    let said = cli.run_with(arguments, variables);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains(told), "{told} is not in:\n{}", said.err);
    assert_eq!(said.out, "");
    assert!(!cli.state().exists());
}

/// A CI job sets the input that nobody gave to nothing.
#[rstest]
#[case::scenarios("scenarios precopy_cross")]
#[case::explain("explain precopy_cross::in_vms::stress_cpu")]
fn a_variable_that_is_set_to_nothing_counts_as_not_set(cli: Cli, #[case] arguments: &str) {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let names: Vec<&str> = readme.split('`').filter(|word| word.starts_with("MULTIVM_")).collect();
    let names =
        names.into_iter().filter(|name| name.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase()));
    let empty: Vec<(&str, &str)> = names.map(|name| (name, "")).collect();
    assert!(empty.len() > 40, "{empty:?}");
    let (with, without) = (cli.run_with(arguments, &empty), cli.run_with(arguments, &[]));
    assert_eq!((with.code, &with.err, &with.out), (Some(0), &without.err, &without.out));

    let listed = |variables: &[(&str, &str)]| {
        let said = cli.test_with("migration", "--list precopy_cross", variables);
        (said.code, said.out, said.err)
    };
    assert_eq!(listed(&empty), listed(&[]));
}

/// Hosts of a size of their own, so that the machine's memory decides nothing.
const SMALL_HOSTS: (&str, &str) = ("MULTIVM_HOST_SIZE", "2:3GiB");

#[rstest]
#[case::fleet(
    &[("MULTIVM_GUESTS", "200"), SMALL_HOSTS],
    &["on a host: 200 guests x (256MiB + 32MiB for QEMU) = 57600 MiB; it may use 3072 MiB", "10 guests fit"]
)]
#[case::none_of_it(&[("MULTIVM_MEMORY", "4GiB"), SMALL_HOSTS], &["on a host: 3 guests x (4GiB", "0 guests fit"])]
#[case::machine(
    &[("MULTIVM_MEMORY", "1048576GiB"), ("MULTIVM_HOST_SIZE", "2:8388608GiB")],
    &["on this machine: (3 guests + 1 of them a second time while they migrate) x (1048576GiB"]
)]
#[case::one_guest(
    &[("MULTIVM_PATTERN_MEMORY", "200MiB")],
    &["in a guest: its system's 64MiB + the pattern's 200MiB = 264MiB; it has 256MiB"]
)]
fn guests_without_room_are_refused_with_the_sum_and_nothing_is_touched(
    cli: Cli,
    #[case] variables: &[(&str, &str)],
    #[case] told: &[&str],
) {
    let said = cli.play_with("--exact precopy_orderly::in_vms::stress_cpu", variables);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    for told in told {
        assert!(said.err.contains(told), "{told} is not in:\n{}", said.err);
    }
    assert!(!cli.state().exists() && !cli.results().exists());
    let said = cli.run_with("lab up", variables);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains("there is no room for the guests of the lab"), "{}", said.err);
    assert!(!cli.state().exists());
}

#[rstest]
fn images_without_room_are_refused_with_the_sum(cli: Cli) {
    // A file system on which nothing is free.
    let variables = [("MULTIVM_STATE", "/proc/none"), ("MULTIVM_GUESTS", "8"), ("MULTIVM_LOAD_GUESTS", "2")];
    let said = cli.play_with("--exact precopy_orderly::in_vms::stress_cpu", &variables);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    let sum = "in /proc/none: a base image of 128MiB + (8 guests + 2 load guests) x 64MiB at least = 768 MiB; 0 MiB are free";
    assert!(said.err.contains(sum), "{}", said.err);
    assert!(!cli.results().exists());
}

#[rstest]
fn files_of_a_load_without_room_are_refused_with_the_sum(cli: Cli) {
    let variables = [("MULTIVM_MEMORY_BYTES", "100GiB")];
    let said = cli.play_with("--ignored --exact precopy_orderly::in_vms::stress_io", &variables);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    let sum = "in a guest: 1 worker x 100GiB = 102400 MiB; its disk has 640 MiB free at most";
    assert!(said.err.contains(sum), "{}", said.err);
    assert!(!cli.state().exists() && !cli.results().exists());
}

/// Nothing of it is played, so that nothing needs room.
#[rstest]
fn guests_without_room_can_be_listed(cli: Cli) {
    let variables = [("MULTIVM_GUESTS", "200"), SMALL_HOSTS];
    let said = cli.play_with("--list --exact precopy_orderly::in_vms::stress_cpu", &variables);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[rstest]
fn a_file_of_ones_own_is_read(cli: Cli) {
    let own = cli.place().join("own.toml");
    let package = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("scenarios.toml");
    let text =
        fs::read_to_string(package).unwrap().replace("mode = [\"precopy\", \"postcopy\"]", "mode = [\"x\"]");
    fs::write(&own, text).unwrap();
    let said = cli.run_with("scenarios", &[("MULTIVM_SCENARIOS", own.to_str().unwrap())]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("own.toml:") && said.err.contains("`precopy`, `postcopy`"), "{}", said.err);
}
