//! The matrix that `scenarios.toml` declares, and what a user sees who makes a mistake in such a file. No lab is needed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use multivm::scenario::{
    AxisValue, Booting, Bytes, InputError, Location, Mode, Order, Profile, Scenario, ScenarioFile, Selection,
    Workload,
};
use rstest::{fixture, rstest};

/// The names of the reference's 328 scenarios, from its own list and not from ours.
const GOLDEN: &str = include_str!("golden/names.txt");

/// The package's own file. The directory is asked for at run time, so that an archived test binary finds it elsewhere.
#[fixture]
fn file() -> ScenarioFile {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    ScenarioFile::load(&PathBuf::from(root).join("scenarios.toml")).unwrap_or_else(|e| panic!("{e}"))
}

fn selection(filters: &[&str], exact: bool) -> Selection {
    Selection { filters: filters.iter().map(|f| (*f).to_owned()).collect(), exact, ..Selection::default() }
}

// --- The matrix

#[rstest]
fn the_names_are_the_golden_328(file: ScenarioFile) {
    let names: Vec<String> = file.scenarios().iter().map(Scenario::name).collect();
    let ours: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let golden: BTreeSet<&str> = GOLDEN.lines().collect();
    assert_eq!(ours.len(), names.len(), "a name is there twice");
    let missing: Vec<_> = golden.difference(&ours).collect();
    let added: Vec<_> = ours.difference(&golden).collect();
    assert!(missing.is_empty() && added.is_empty(), "missing: {missing:#?}\nadded: {added:#?}");
    assert_eq!(names.len(), 328);
}

#[rstest]
fn names_read_back_and_need_no_quoting(file: ScenarioFile) {
    for scenario in file.scenarios() {
        let name = scenario.name();
        assert_eq!(name.parse().as_ref(), Ok(scenario), "{name}");
        assert!(name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b':')), "{name}");
    }
}

/// Whatever a file declares, no two combinations may share a name: tried on every one that the program knows.
#[test]
fn no_two_combinations_have_the_same_name() {
    let mut names = BTreeSet::new();
    for &mode in Mode::ALL {
        for &order in Order::ALL {
            for &location in Location::ALL {
                for &workload in Workload::ALL {
                    let scenario = Scenario { mode, order, location, workload };
                    assert_eq!(scenario.name().parse(), Ok(scenario));
                    assert!(names.insert(scenario.name()), "{scenario}");
                }
            }
        }
    }
    assert_eq!(names.len(), 2 * 4 * 8 * 15);
}

#[rstest]
fn the_axes_nest_in_the_order_mode_order_where_what(file: ScenarioFile) {
    fn rank<V: AxisValue>(value: V) -> Option<usize> {
        V::ALL.iter().position(|v| *v == value)
    }
    let ranks: Vec<_> = file
        .scenarios()
        .iter()
        .map(|s| (rank(s.mode), rank(s.order), rank(s.location), rank(s.workload)))
        .collect();
    assert!(ranks.is_sorted());
}

#[rstest]
#[case("precopy_cross", 54)]
#[case("postcopy_orderly", 54)]
#[case("postcopy_simultaneous", 55)]
#[case("compressed", 2)]
#[case("::in_vms::", 2 * 3 * 4)]
#[case("booting", 16)]
#[case("", 328)]
fn a_filter_picks_a_group(file: ScenarioFile, #[case] filter: &str, #[case] count: usize) {
    assert_eq!(file.select(&selection(&[filter], false)).len(), count);
}

#[rstest]
fn exact_picks_one(file: ScenarioFile) {
    let name = "postcopy_cross::on_source::stress_memory_half";
    let chosen = file.select(&selection(&[name], true));
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0].name(), name);
    assert!(file.select(&selection(&["postcopy_cross"], true)).is_empty());
}

#[rstest]
fn only_load_in_guests_runs_yet(file: ScenarioFile) {
    for scenario in file.scenarios() {
        let runs = scenario.location == Location::InVms;
        assert_eq!(scenario.not_yet().is_none(), runs, "{scenario}");
        if let (Some(reason), true) =
            (scenario.not_yet(), matches!(scenario.workload, Workload::Stress { .. }))
        {
            assert_eq!(
                reason,
                format!("load on hosts is not implemented yet (location {})", scenario.location)
            );
        }
    }
}

#[rstest]
#[case("precopy_compressed::in_vms::stress_cpu", Some("compression"))]
#[case("precopy_orderly::booting::migrated_vms", Some("leave at once"))]
#[case("precopy_orderly::in_vms::stress_cpu", None)]
fn what_is_left_out_has_a_reason(file: ScenarioFile, #[case] name: Scenario, #[case] reason: Option<&str>) {
    match (file.excluded_because(&name), reason) {
        (Some(told), Some(expected)) => assert!(told.contains(expected), "{told}"),
        (told, expected) => assert_eq!(told, expected),
    }
    assert_eq!(file.scenarios().contains(&name), reason.is_none());
}

#[rstest]
fn the_quick_set_has_every_mode_order_tool_and_kind(file: ScenarioFile) {
    let quick = file.select(&file.set("quick").unwrap().selection());
    assert_eq!(quick.len(), 4);
    assert!(quick.iter().all(|s| s.not_yet().is_none()));
    let modes: BTreeSet<_> = quick.iter().map(|s| s.mode).collect();
    let orders: BTreeSet<_> = quick.iter().map(|s| s.order).collect();
    let loads: BTreeSet<_> = quick.iter().map(|s| s.workload).collect();
    assert_eq!((modes.len(), orders.len(), loads.len()), (2, 3, 4));
    assert_eq!(file.select(&file.set("all").unwrap().selection()).len(), 328);
}

/// Measured at a few ms in a debug build; the bound leaves room for a machine that compiles at the same time.
#[test]
fn reading_the_file_takes_no_time() {
    let text = include_str!("../scenarios.toml");
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            let _ = ScenarioFile::parse("scenarios.toml", text).unwrap_or_else(|e| panic!("{e}"));
            start.elapsed()
        })
        .min();
    assert!(best < Some(Duration::from_millis(10)), "{best:?}");
}

// --- Profiles

#[rstest]
fn the_profiles_are_as_designed(file: ScenarioFile) {
    let lab = file.profile("lab").unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(
        *lab,
        Profile {
            name: "lab".to_owned(),
            guests: 3,
            vcpus: 1,
            memory: Bytes(256 << 20),
            rounds: 1,
            precopy_timeout: seconds(120),
            postcopy_timeout: seconds(120),
            boot_timeout: seconds(60),
            probe_interval: Duration::from_millis(20),
            max_gap: seconds(10),
            cpu_workers: 1,
            memory_workers: 1,
            memory_bytes: Bytes(32 << 20),
            dirty_floor: Bytes(32 << 20),
            first_pass_bandwidth: Bytes(128 << 20),
        }
    );
    let reference = file.profile("reference").unwrap();
    assert_eq!((reference.guests, reference.vcpus, reference.rounds), (10, 2, 5));
    assert_eq!(reference.migration_timeout(Mode::Precopy), seconds(1800));
    assert_eq!(reference.migration_timeout(Mode::Postcopy), seconds(3600));
}

/// Each variable changes its own field and no other.
#[rstest]
#[case("MULTIVM_GUESTS", "200", |p: &mut Profile| p.guests = 200)]
#[case("MULTIVM_VCPUS", "4", |p: &mut Profile| p.vcpus = 4)]
#[case("MULTIVM_MEMORY", "1GiB", |p: &mut Profile| p.memory = Bytes(1 << 30))]
#[case("MULTIVM_ROUNDS", "7", |p: &mut Profile| p.rounds = 7)]
#[case("MULTIVM_PRECOPY_TIMEOUT", "5s", |p: &mut Profile| p.precopy_timeout = Duration::from_secs(5))]
#[case("MULTIVM_POSTCOPY_TIMEOUT", "1m 30s", |p: &mut Profile| p.postcopy_timeout = Duration::from_secs(90))]
#[case("MULTIVM_BOOT_TIMEOUT", "2h", |p: &mut Profile| p.boot_timeout = Duration::from_secs(7200))]
#[case("MULTIVM_PROBE_INTERVAL", "10ms", |p: &mut Profile| p.probe_interval = Duration::from_millis(10))]
#[case("MULTIVM_MAX_GAP", "3s", |p: &mut Profile| p.max_gap = Duration::from_secs(3))]
#[case("MULTIVM_CPU_WORKERS", "2", |p: &mut Profile| p.cpu_workers = 2)]
#[case("MULTIVM_MEMORY_WORKERS", "3", |p: &mut Profile| p.memory_workers = 3)]
#[case("MULTIVM_MEMORY_BYTES", "64MiB", |p: &mut Profile| p.memory_bytes = Bytes(64 << 20))]
#[case("MULTIVM_DIRTY_FLOOR", "8MiB", |p: &mut Profile| p.dirty_floor = Bytes(8 << 20))]
#[case("MULTIVM_FIRST_PASS_BANDWIDTH", "1GiB", |p: &mut Profile| p.first_pass_bandwidth = Bytes(1 << 30))]
fn every_field_can_be_overridden(
    file: ScenarioFile,
    #[case] variable: &str,
    #[case] value: &str,
    #[case] change: fn(&mut Profile),
) {
    let lab = file.profile("lab").unwrap();
    let changed = lab.clone().override_from(|name| (name == variable).then(|| value.to_owned())).unwrap();
    let mut expected = lab.clone();
    change(&mut expected);
    assert_eq!(changed, expected);
    assert!(Profile::variables().any(|(name, _)| name == variable));
    assert_eq!(Profile::variables().count(), 14);
}

#[rstest]
#[case("MULTIVM_GUESTS", "0", "a whole number from 1 to 200")]
#[case("MULTIVM_GUESTS", "201", "a whole number from 1 to 200")]
#[case("MULTIVM_GUESTS", "ten", "a whole number from 1 to 200")]
#[case("MULTIVM_GUESTS", "", "a whole number from 1 to 200")]
#[case("MULTIVM_ROUNDS", "0", "a whole number from 1")]
#[case("MULTIVM_MEMORY", "256", "units KiB, MiB, GiB")]
#[case("MULTIVM_MEMORY", "0GiB", "a size above zero")]
#[case("MULTIVM_MAX_GAP", "10", "units ms, s, m, h")]
#[case("MULTIVM_MAX_GAP", "0s", "a duration above zero")]
fn a_bad_override_names_variable_value_and_what_is_allowed(
    file: ScenarioFile,
    #[case] variable: &str,
    #[case] value: &str,
    #[case] allowed: &str,
) {
    let lab = file.profile("lab").unwrap().clone();
    let message =
        lab.override_from(|name| (name == variable).then(|| value.to_owned())).unwrap_err().to_string();
    for part in [variable, &format!("`{value}`"), allowed] {
        assert!(message.contains(part), "{part} is not in:\n{message}");
    }
}

// --- What a scenario does

fn explained(file: &ScenarioFile, name: &str, profile: &str) -> String {
    let scenario: Scenario = name.parse().unwrap();
    scenario.explain(file.profile(profile).unwrap()).join("\n")
}

#[rstest]
fn cross_is_a_rotation(file: ScenarioFile) {
    let text = explained(&file, "postcopy_cross::in_vms::stress_ng_memory", "lab");
    for line in [
        "Load in every guest: `stress-ng --vm 1 --vm-bytes 32M --vm-keep`",
        "VIR_MIGRATE_LIVE | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_POSTCOPY;",
        "1. guest 3 goes out alone",
        "2. guest 1 goes out while guest 3 comes back",
        "3. guest 2 goes out while guest 1 comes back",
        "4. guest 2 comes home alone",
        "no gap is longer than 10s",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[rstest]
fn cross_goes_on_over_the_rounds(file: ScenarioFile) {
    let text = explained(&file, "precopy_cross::in_vms::stress_memory", "reference");
    for line in [
        "Load in every guest: `stress --vm 4 --vm-bytes 128M --vm-keep`",
        "VIR_MIGRATE_AUTO_CONVERGE; it may take 30m.",
        "10. guest 9 goes out while guest 8 comes back",
        "11 to 50. the rotation goes on for 4 more rounds: guest 10 goes out while guest 9 comes back",
        "51. guest 9 comes home alone",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

/// stress-ng divides `--vm-bytes` by its workers, stress does not; a worker must get the same from both.
#[rstest]
fn both_tools_dirty_the_same_memory(file: ScenarioFile) {
    let stress = explained(&file, "precopy_orderly::in_vms::stress_memory", "reference");
    let stress_ng = explained(&file, "precopy_orderly::in_vms::stress_ng_memory", "reference");
    assert!(stress.contains("--vm 4 --vm-bytes 128M "), "{stress}");
    assert!(stress_ng.contains("--vm 4 --vm-bytes 512M "), "{stress_ng}");
}

#[rstest]
fn every_scenario_explains_itself_differently(file: ScenarioFile) {
    let lab = file.profile("lab").unwrap();
    let texts: BTreeSet<String> = file
        .scenarios()
        .iter()
        .map(|scenario| {
            let lines = scenario.explain(lab);
            assert_eq!(lines[0], scenario.name());
            // Without the name and the reason for being ignored, which differ anyway.
            lines[1..]
                .iter()
                .filter(|line| !line.starts_with("Ignored"))
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("\n")
        })
        .collect();
    assert_eq!(texts.len(), 328);
    let ignored = explained(&file, "precopy_compressed::booting::load_vms", "lab");
    assert!(ignored.contains("Ignored: booting of guests during migration"));
    assert!(ignored.contains("VIR_MIGRATE_COMPRESSED"));
    assert_eq!("load_vms".parse(), Ok(Workload::Boot(Booting::LoadVms)));
}

// --- Mistakes

/// A small file without mistakes. Each case below spoils one place of it.
const GOOD: &str = r#"[axes]
mode = ["precopy", "postcopy"]
order = ["orderly", "cross"]
where = ["in_vms", "booting"]
what = ["stress_cpu", "load_vm"]

[[constraint]]
when = { where = ["in_vms"] }
only = { what = ["stress_cpu"] }
reason = "no guest boots there"

[set.one]
description = "one"
filters = ["precopy_cross::in_vms"]

[profile.lab]
guests = 3
vcpus = 1
memory = "256MiB"
rounds = 1
precopy_timeout = "120s"
postcopy_timeout = "120s"
boot_timeout = "60s"
probe_interval = "20ms"
max_gap = "10s"
cpu_workers = 1
memory_workers = 1
memory_bytes = "32MiB"
dirty_floor = "16MiB"
first_pass_bandwidth = "64MiB"

[profile.reference]
guests = 10
vcpus = 2
memory = "2GiB"
rounds = 5
precopy_timeout = "1800s"
postcopy_timeout = "3600s"
boot_timeout = "240s"
probe_interval = "20ms"
max_gap = "60s"
cpu_workers = 4
memory_workers = 4
memory_bytes = "128MiB"
dirty_floor = "128MiB"
first_pass_bandwidth = "512MiB"

[[kernel_log.allow]]
pattern = "clocksource"
reason = "the lab is slow"
"#;

fn mistake(text: &str) -> InputError {
    match ScenarioFile::parse("my.toml", text) {
        Ok(_) => panic!("no mistake found in:\n{text}"),
        Err(error) => error,
    }
}

#[test]
fn the_file_without_mistakes_has_none() {
    let file = ScenarioFile::parse("my.toml", GOOD).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(file.scenarios().len(), 2 * 2 * 3);
    assert_eq!(file.sets().count(), 2);
    assert_eq!(file.profiles().count(), 2);
    assert_eq!(file.allowed_lines()[0].pattern, "clocksource");
}

/// `spoil`, found once in the good file, becomes `with`; the message must have the place and each of `parts`.
#[rstest]
// TOML itself.
#[case::syntax("guests = 3\n", "guests = \n", "17:10", &["guests ="])]
#[case::open_array(r#"["orderly", "cross"]"#, r#"["orderly", "cross""#, "4:1", &["missing comma", "expected `,`"])]
#[case::key_twice("rounds = 1\n", "guests = 1\n", "20:1", &["duplicate key"])]
#[case::table_twice("[profile.reference]", "[profile.lab]", "32:10", &["duplicate key"])]
// Keys.
#[case::unknown_table("[set.one]", "[sets.one]", "12:2", &["`sets`", "`axes`", "`set`", "`profile`"])]
#[case::unknown_axis("order = [", "ordre = [", "3:1", &["`ordre`", "`mode`", "`order`", "`where`", "`what`"])]
#[case::missing_axis("order = [\"orderly\", \"cross\"]\n", "", "1:1", &["missing field `order`"])]
#[case::unknown_axis_in_when("when = { where", "when = { place", "8:10", &["`place`", "`mode`", "`order`", "`where`", "`what`"])]
#[case::unknown_axis_in_only("only = { what", "only = { load", "9:10", &["`load`", "`where`"])]
#[case::no_reason("reason = \"no guest boots there\"\n", "", "7:1", &["missing field `reason`"])]
#[case::unknown_key_in_set("description = \"one\"", "descrption = \"one\"", "13:1", &["`descrption`", "`description`", "`filters`"])]
#[case::unknown_key_in_profile("rounds = 1\n", "round = 1\n", "20:1", &["`round`", "`lab`", "`guests`", "`memory_bytes`", "did you mean `rounds`?"])]
#[case::missing_key_in_profile("rounds = 1\n", "", "16:10", &["`lab`", "`rounds`", "whole number"])]
#[case::wrong_type("mode = [\"precopy\", \"postcopy\"]", "mode = \"precopy\"", "2:8", &["string \"precopy\"", "expected"])]
#[case::unknown_key_in_kernel_log("pattern = \"clocksource\"", "pattrn = \"clocksource\"", "49:1", &["`pattrn`", "`pattern`", "`reason`"])]
#[case::no_reason_to_allow("reason = \"the lab is slow\"", "", "48:1", &["missing field `reason`"])]
#[case::empty_reason("\"the lab is slow\"", "\" \"", "50:10", &["reason", "empty"])]
#[case::empty_pattern("\"clocksource\"", "\"\"", "49:11", &["pattern", "empty"])]
// Values of axes.
#[case::unknown_value("\"in_vms\", \"booting\"]", "\"in_vm\", \"booting\"]", "4:10", &["`in_vm`", "`where`", "`in_vms`", "`on_both_and_vms`", "did you mean `in_vms`?"])]
#[case::value_twice("[\"precopy\", \"postcopy\"]", "[\"precopy\", \"precopy\"]", "2:20", &["`precopy`", "twice", "`postcopy`"])]
#[case::empty_axis("what = [\"stress_cpu\", \"load_vm\"]", "what = []", "5:8", &["`what`", "`stress_ng_memory_short`"])]
#[case::unknown_value_in_only("only = { what = [\"stress_cpu\"]", "only = { what = [\"stress_gpu\"]", "9:18", &["`stress_gpu`", "allowed: `stress_cpu`, `load_vm`", "did you mean `stress_cpu`?"])]
#[case::value_not_on_the_axis("when = { where = [\"in_vms\"]", "when = { where = [\"on_both\"]", "8:19", &["`on_both`", "allowed: `in_vms`, `booting`"])]
// Constraints without effect.
#[case::removes_none("only = { what = [\"stress_cpu\"]", "only = { what = [\"stress_cpu\", \"load_vm\"]", "9:8", &["removes no combination"])]
#[case::only_without_axis("only = { what = [\"stress_cpu\"] }", "only = {}", "9:8", &["removes no combination"])]
#[case::when_without_value("when = { where = [\"in_vms\"] }", "when = { where = [] }", "8:18", &["`where`", "`in_vms`"])]
#[case::selects_none(
    "[set.one]",
    "[[constraint]]\nwhen = { where = [\"in_vms\"], what = [\"load_vm\"] }\nonly = { order = [\"cross\"] }\nreason = \"r\"\n[set.one]",
    "13:8", &["selects no combination"])]
// Sets.
#[case::filter_of_nothing("[\"precopy_cross::in_vms\"]", "[\"precopy\", \"precopy_compressed\"]", "14:23", &["`precopy_compressed`", "`one`", "{mode}_{order}::{where}::{what}"])]
#[case::no_filter("filters = [\"precopy_cross::in_vms\"]", "filters = []", "14:11", &["`one`", "`all`"])]
#[case::declares_all("[set.one]", "[set.all]", "12:6", &["`all`"])]
// Profiles.
#[case::missing_profile("[profile.reference]", "[profile.huge]", "32:10", &["`reference`", "`lab`"])]
#[case::too_many_guests("guests = 3\n", "guests = 201\n", "17:10", &["`guests`", "201", "from 1 to 200"])]
#[case::no_guests("guests = 3\n", "guests = 0\n", "17:10", &["from 1 to 200"])]
#[case::negative("rounds = 1\n", "rounds = -1\n", "20:10", &["-1", "from 1"])]
#[case::quoted_number("guests = 3\n", "guests = \"3\"\n", "17:10", &["\"3\"", "from 1 to 200"])]
#[case::size_without_unit("memory = \"256MiB\"", "memory = \"256\"", "19:10", &["\"256\"", "KiB, MiB, GiB"])]
#[case::bare_size("memory = \"256MiB\"", "memory = 256", "19:10", &["256", "KiB, MiB, GiB"])]
#[case::decimal_unit("memory = \"256MiB\"", "memory = \"256MB\"", "19:10", &["256MB", "KiB, MiB, GiB"])]
#[case::duration_without_unit("boot_timeout = \"60s\"", "boot_timeout = \"60\"", "23:16", &["`boot_timeout`", "\"60\"", "ms, s, m, h"])]
#[case::zero_duration("max_gap = \"10s\"", "max_gap = \"0s\"", "25:11", &["`max_gap`", "above zero"])]
fn a_mistake_is_told_with_its_place_and_what_is_allowed(
    #[case] spoil: &str,
    #[case] with: &str,
    #[case] place: &str,
    #[case] parts: &[&str],
) {
    let text = GOOD.replacen(spoil, with, 1);
    assert_ne!(text, GOOD, "the case does not change the file");
    let message = mistake(&text).to_string();

    let arrow = format!(" my.toml:{place}\n");
    assert!(message.contains(&arrow), "{arrow} is not in:\n{message}");
    let (line, _) = place.split_once(':').unwrap();
    let quoted = text.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
    for part in parts.iter().copied().chain([quoted, "^"]) {
        assert!(message.contains(part), "{part} is not in:\n{message}");
    }
    assert!(message.starts_with("error: "), "{message}");
    assert!(!message.contains('\u{1b}'), "no colours:\n{message}");
}

#[test]
fn a_mistake_looks_like_this() {
    let text = GOOD.replacen("\"in_vms\", \"booting\"]", "\"in_vm\", \"booting\"]", 1);
    assert_eq!(
        mistake(&text).to_string(),
        "\
error: unknown value `in_vm` of the axis `where`
 --> my.toml:4:10
  |
4 | where = [\"in_vm\", \"booting\"]
  |          ^^^^^^^
  |
  = help: allowed: `in_vms`, `on_source`, `on_target`, `on_both`, `on_source_and_vms`, `on_target_and_vms`, `on_both_and_vms`, `booting`
  = help: did you mean `in_vms`?"
    );
}

#[rstest]
#[case::empty("", "my.toml:1:1", "missing field `axes`")]
#[case::no_profile(
    "[axes]\nmode = ['precopy']\norder = ['cross']\nwhere = ['in_vms']\nwhat = ['stress_cpu']\n",
    "my.toml:1:1",
    "the profile `lab` is missing"
)]
#[case::not_toml("hello", "my.toml:1:6", "expected `=`")]
fn a_file_of_another_kind_is_told_too(#[case] text: &str, #[case] place: &str, #[case] what: &str) {
    let message = mistake(text).to_string();
    assert!(message.contains(place), "{message}");
    assert!(message.contains(what), "{message}");
}

#[test]
fn an_empty_allow_list_is_no_mistake() {
    let (head, _) = GOOD.split_once("[[kernel_log.allow]]").unwrap();
    for tail in ["", "[kernel_log]\n", "[kernel_log]\nallow = []\n"] {
        let file = ScenarioFile::parse("my.toml", &format!("{head}{tail}")).unwrap();
        assert!(file.allowed_lines().is_empty());
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenarios.toml");
    let message = ScenarioFile::load(&path).unwrap_err().to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert!(message.contains("No such file"), "{message}");
}

#[rstest]
fn a_set_or_profile_that_is_not_declared_is_named(file: ScenarioFile) {
    let message = file.profile("labb").unwrap_err().to_string();
    for part in ["`labb`", "scenarios.toml", "`lab`, `reference`", "did you mean `lab`?"] {
        assert!(message.contains(part), "{part} is not in:\n{message}");
    }
    let message = file.set("slow").unwrap_err().to_string();
    assert!(message.contains("`all`, `quick`"), "{message}");
}
