//! The matrix that `scenarios.toml` declares: names, order, sets, sizes, profiles. No lab is needed.

#[path = "golden/counts.rs"]
mod counts;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use counts::{MATRIX, QUARTER, SIZED, SMOKE};
use multivm::record::RecordedProfile;
use multivm::scenario::{
    AtTimeout, AxisValue, Budget, Bytes, Location, Mode, Order, Profile, Scenario, ScenarioFile, Selection,
    Shard, Sizing, Transport, Workload,
};
use rstest::{fixture, rstest};

/// The names of the reference's scenarios, from its own list and not from ours.
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
fn every_golden_name_is_there_once(file: ScenarioFile) {
    let names: Vec<String> = file.scenarios().iter().map(Scenario::name).collect();
    let ours: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(ours.len(), names.len(), "a name is there twice");
    let missing: Vec<_> = GOLDEN.lines().filter(|name| !ours.contains(name)).collect();
    assert!(missing.is_empty(), "missing: {missing:#?}");
    assert!(GOLDEN.lines().count() > 300, "the list itself is there");
}

/// A name that was given once goes on to mean what it meant: each of its words is one value of one axis, and `compressed` is
/// one by one with XBZRLE.
#[test]
fn every_golden_name_means_what_it_meant() {
    for name in GOLDEN.lines() {
        let scenario: Scenario = name.parse().unwrap_or_else(|error| panic!("{error}"));
        let words: Vec<&str> = name.split("::").collect();
        let (mode, order) = words[0].split_once('_').unwrap();
        let (order, transport) = if order == "compressed" { ("orderly", "xbzrle") } else { (order, "plain") };
        let Scenario { mode: is_mode, order: is_order, transport: is_transport, location, workload, sizing } =
            scenario;
        assert_eq!(
            [is_mode.name(), is_order.name(), is_transport.name()],
            [mode, order, transport],
            "{name}"
        );
        assert_eq!([location.name(), workload.name()], [words[1], words[2]], "{name}");
        assert_eq!(sizing, None, "{name}");
    }
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
    let sizings: Vec<Option<Sizing>> =
        std::iter::once(None).chain(Sizing::ALL.iter().copied().map(Some)).collect();
    for (&mode, &order, &transport) in all_of_three(Mode::ALL, Order::ALL, Transport::ALL) {
        for (&location, &workload, &sizing) in all_of_three(Location::ALL, Workload::all(), &sizings) {
            let scenario = Scenario { mode, order, transport, location, workload, sizing };
            assert_eq!(scenario.name().parse(), Ok(scenario));
            assert!(names.insert(scenario.name()), "{scenario}");
        }
    }
}

fn all_of_three<'a, A, B, C>(
    a: &'a [A],
    b: &'a [B],
    c: &'a [C],
) -> impl Iterator<Item = (&'a A, &'a B, &'a C)> {
    a.iter().flat_map(move |a| b.iter().flat_map(move |b| c.iter().map(move |c| (a, b, c))))
}

#[rstest]
fn the_axes_nest_in_the_order_mode_transport_order_where_what(file: ScenarioFile) {
    let ranks: Vec<_> = file
        .scenarios()
        .iter()
        .map(|s| [s.mode.rank(), s.transport.rank(), s.order.rank(), s.location.rank(), s.workload.rank()])
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
#[case("", MATRIX)]
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
#[case("precopy_compressed::in_vms::stress_cpu", Some("compression"))]
#[case("precopy_orderly::booting::migrated_vms", Some("leave at once"))]
#[case("precopy_orderly::in_vms::stress_io_half", Some("a share of a host means nothing"))]
#[case("precopy_orderly::on_source::stress_io", Some("takes a share of that host"))]
#[case("precopy_orderly::in_vms::stress_cpu", None)]
fn what_is_left_out_has_a_reason(file: ScenarioFile, #[case] name: Scenario, #[case] reason: Option<&str>) {
    match (file.excluded_because(&name), reason) {
        (Some(told), Some(expected)) => assert!(told.contains(expected), "{told}"),
        (told, expected) => assert_eq!(told, expected),
    }
    assert_eq!(file.scenarios().contains(&name), reason.is_none());
}

/// A constraint says nothing of a value that is on no axis, so its reason would be untrue.
#[rstest]
#[case(
    "precopy_orderly::in_vms::stress_io::multifd",
    "its transport `multifd` and its what `stress_io` are on no axis"
)]
#[case("precopy_compressed::in_vms::stress_io", "its what `stress_io` is on no axis")]
#[case("precopy_random::in_vms::stress_io", "its order `random` and its what `stress_io` are on no axis")]
#[case("precopy_random::on_source::stress_cpu_half", "its order `random` is on no axis")]
#[case("precopy_orderly::in_vms::stress_cpu::multifd::xbzrle", "a migration has one")]
fn what_is_not_there_is_refused_for_its_own_reason(
    file: ScenarioFile,
    #[case] name: &str,
    #[case] reason: &str,
) {
    let said = file.named(name).unwrap_err().to_string();
    assert!(said.contains(reason) && !said.contains("sized by the profile"), "{said}");
    assert!(!said.contains("::set_"), "nobody asked for sizes: {said}");
}

/// A reader tries the names that pages and sources give as examples, so the file must have them.
#[rstest]
#[case::readme(include_str!("../README.md"))]
#[case::file(include_str!("../scenarios.toml"))]
#[case::writing(include_str!("../docs/writing-scenarios.md"))]
#[case::transports(include_str!("../src/scenario/transport.rs"))]
fn every_example_of_a_name_is_a_scenario(file: ScenarioFile, #[case] text: &str) {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"_:".contains(letter));
    let names = words.filter_map(|word| word.trim_end_matches(':').parse::<Scenario>().ok());
    let unsized_names: BTreeSet<String> =
        names.map(|scenario| Scenario { sizing: None, ..scenario }.name()).collect();
    assert!(!unsized_names.is_empty());
    for name in unsized_names {
        file.named(&name).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[rstest]
fn the_quick_set_has_every_mode_order_tool_and_kind(file: ScenarioFile) {
    let quick = file.members(file.set("quick").unwrap());
    assert_eq!(quick.len(), 4);
    let modes: BTreeSet<_> = quick.iter().map(|s| s.mode).collect();
    let orders: BTreeSet<_> = quick.iter().map(|s| s.order).collect();
    let loads: BTreeSet<_> = quick.iter().map(|s| s.workload).collect();
    assert_eq!((modes.len(), orders.len(), loads.len()), (2, 3, 4));
    assert_eq!(file.members(file.set("all").unwrap()), file.scenarios());
}

#[rstest]
fn the_ci_set_has_every_value_of_every_axis(file: ScenarioFile) {
    let values = |scenarios: &[Scenario]| -> BTreeSet<String> {
        let parts = |scenario: &Scenario| {
            let name = scenario.to_string();
            let (mode, rest) = name.split_once('_').unwrap();
            [&[mode], &rest.split("::").collect::<Vec<_>>()[..]]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        scenarios.iter().flat_map(|scenario| -> Vec<String> { parts(scenario) }).collect()
    };
    let ci = file.members(file.set("ci").unwrap());
    assert_eq!(ci.len(), 24);
    assert_eq!(values(&ci), values(file.scenarios()));
}

#[rstest]
fn the_smoke_set_is_computed(file: ScenarioFile) {
    let smoke = file.members(file.set("smoke").unwrap());
    assert_eq!(smoke.len(), SMOKE);
    assert!(smoke.is_sorted_by_key(|scenario| file.scenarios().iter().position(|other| other == scenario)));
}

// --- Parts

fn parts(scenarios: &[Scenario], parts: usize) -> Vec<Vec<Scenario>> {
    (1..=parts)
        .map(|part| format!("{part}/{parts}").parse::<Shard>().unwrap().of(scenarios.to_vec()))
        .collect()
}

#[rstest]
fn the_parts_are_disjoint_and_together_everything(file: ScenarioFile) {
    let crossing = file.select(&selection(&["postcopy_cross"], false));
    for scenarios in [file.scenarios(), &crossing, &crossing[..3], &[]] {
        // Every part is dealt anew: many parts of many scenarios take seconds in a debug build.
        let counts: &[usize] = match scenarios.len() {
            0..100 => &[1, 2, 3, 4, 54, 100],
            _ => &[1, 2, 3, 7],
        };
        for &count in counts {
            let parts = parts(scenarios, count);
            let sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(most - least <= 1, "{count} parts of {}: {sizes:?}", scenarios.len());
            for part in &parts {
                let places = part.iter().map(|one| scenarios.iter().position(|other| other == one));
                assert!(places.is_sorted(), "a part is in the order of the matrix");
            }
            let mut together: Vec<Scenario> = parts.concat();
            together.sort();
            let mut wanted = scenarios.to_vec();
            wanted.sort();
            assert_eq!(together, wanted);
        }
    }
}

/// The parts are alike in what they try, and so in what they cost: of every value of every axis, and of every mode and order
/// together, no part has many more than another.
#[rstest]
#[case(2)]
#[case(3)]
#[case(4)]
#[case(5)]
#[case(6)]
#[case(8)]
#[case(9)]
#[case(12)]
#[case(16)]
fn the_parts_are_balanced(file: ScenarioFile, #[case] count: usize) {
    assert_balanced(file.scenarios(), count);
    assert_balanced(&file.members(file.set("smoke").unwrap()), count);
}

/// For one count of parts: every part is dealt anew, which takes seconds with so many scenarios.
#[rstest]
fn the_parts_of_the_sized_matrix_are_balanced(file: ScenarioFile) {
    assert_balanced(file.sized().unwrap().scenarios(), 4);
}

fn assert_balanced(scenarios: &[Scenario], count: usize) {
    let parts = parts(scenarios, count);
    let values = |scenario: &Scenario| {
        let mut values = vec![
            scenario.mode.name().to_owned(),
            scenario.group()[scenario.mode.name().len()..].to_owned(),
            scenario.group(),
            scenario.location.name().to_owned(),
            scenario.workload.name().to_owned(),
        ];
        values.extend(scenario.sizing.map(|sizing| sizing.name().to_owned()));
        values
    };
    let all: BTreeSet<String> = scenarios.iter().flat_map(values).collect();
    for value in all {
        let has = |part: &Vec<Scenario>| part.iter().filter(|one| values(one).contains(&value)).count();
        let counts: Vec<usize> = parts.iter().map(has).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 2, "{value} in {count} parts of {}: {counts:?}", scenarios.len());
        let total: usize = counts.iter().sum();
        // Where there is enough of it for all.
        assert!(
            *least > 0 || total < 4 * count,
            "{value} in {count} parts of {}: {counts:?}",
            scenarios.len()
        );
    }
}

/// nextest lists a part and runs each of its scenarios alone; a machine that runs another part must not lose it.
#[test]
fn a_part_is_the_same_every_time() {
    let text = include_str!("../scenarios.toml");
    let names = || {
        let file = ScenarioFile::parse("scenarios.toml", text).unwrap();
        parts(file.scenarios(), 4)[1].iter().map(Scenario::name).collect::<Vec<_>>()
    };
    let first = names();
    assert_eq!(first.len(), QUARTER);
    assert_eq!(names(), first);
}

// --- The axis sizing

/// The reference's sizes, in its order: what each sets of vCPUs and MiB of memory.
const SIZES: [(&str, Option<u32>, Option<u64>); 4] = [
    ("set_vcpu_1", Some(2), None),
    ("set_vcpu_2", Some(4), None),
    ("set_memory_1", None, Some(2048)),
    ("set_memory_2", None, Some(4096)),
];

#[rstest]
fn sized_names_are_the_golden_ones_with_each_size(file: ScenarioFile) {
    let plain = file.scenarios().to_vec();
    let sized = file.sized().unwrap();
    let names: Vec<String> = sized.scenarios().iter().map(Scenario::name).collect();
    let golden: BTreeSet<String> =
        GOLDEN.lines().flat_map(|name| SIZES.map(|(size, _, _)| format!("{name}::{size}"))).collect();
    assert_eq!(names.iter().cloned().collect::<BTreeSet<_>>(), golden);
    assert_eq!(names.len(), SIZED);

    // Nested last.
    let expected = plain.iter().flat_map(|scenario| SIZES.map(|(size, _, _)| format!("{scenario}::{size}")));
    assert!(names.into_iter().eq(expected));
}

#[rstest]
fn a_size_sets_its_own_and_leaves_the_rest_to_the_profile(file: ScenarioFile) {
    let lab = file.profile("lab").unwrap();
    let plain: Scenario = "precopy_cross::in_vms::stress_cpu".parse().unwrap();
    assert_eq!(file.profile_of(&plain, lab), *lab);
    for (name, vcpus, mib) in SIZES {
        let scenario: Scenario = format!("{plain}::{name}").parse().unwrap();
        let mut expected = lab.clone();
        expected.vcpus = vcpus.unwrap_or(lab.vcpus);
        expected.memory = mib.map_or(lab.memory, |mib| Bytes(mib << 20));
        assert_eq!(file.profile_of(&scenario, lab), expected);
    }
}

#[rstest]
fn sets_choose_among_sized_names_too(file: ScenarioFile) {
    let sized = file.sized().unwrap();
    let count = |name| sized.members(sized.set(name).unwrap()).len();
    assert_eq!((count("all"), count("quick")), (SIZED, 4 * 4));
    // As without sizes, but in_vms needs 4 loads x 4 sizes, and booting 4 each of load_vm, migrated_vms and compressed.
    assert_eq!(count("smoke"), 16 + 48 + (4 + 3 + 4 + 4));
}

/// `explain` and `--exact` get a name from a report: what it means must not depend on a switch.
#[rstest]
fn a_name_is_found_whether_the_axis_is_on_or_off(file: ScenarioFile) {
    let plain = "precopy_cross::in_vms::stress_cpu";
    let with_size = "precopy_cross::in_vms::stress_cpu::set_vcpu_1";
    for file in [file.clone(), file.sized().unwrap()] {
        for name in [plain, with_size] {
            assert_eq!(file.named(name).unwrap().name(), name);
        }
    }
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
            listed: Vec::new(),
            load_guests: 2,
            vcpus: 1,
            memory: Bytes(256 << 20),
            rounds: 1,
            precopy_timeout: seconds(120),
            postcopy_timeout: seconds(120),
            at_timeout: AtTimeout::Abort,
            boot_timeout: seconds(60),
            probe_interval: Duration::from_millis(10),
            max_gap: seconds(10),
            max_recovery: seconds(4),
            max_slowdown: 10,
            settle: Duration::from_millis(500),
            max_clock_drift: seconds(5),
            cpu_workers: 1,
            memory_workers: 1,
            memory_bytes: Bytes(32 << 20),
            pattern_memory: Bytes(32 << 20),
            precopy_rewrite: seconds(1),
            postcopy_rewrite: Duration::from_millis(100),
            downtime_limit: Duration::from_millis(300),
            bandwidth: None,
            first_pass_bandwidth: Bytes(256 << 20),
        }
    );
    let reference = file.profile("reference").unwrap();
    assert_eq!((reference.guests, reference.vcpus, reference.rounds), (10, 2, 5));
    assert_eq!((reference.load_guests, reference.at_timeout), (10, AtTimeout::Abort));
    assert_eq!(reference.migration_timeout(Mode::Precopy), seconds(1800));
    assert_eq!(reference.migration_timeout(Mode::Postcopy), seconds(3600));
}

/// Else post-copy finds nothing left to do when the order to switch arrives.
#[rstest]
fn a_guest_dirties_memory_as_fast_as_the_first_pass_sends_it(file: ScenarioFile) {
    for profile in file.profiles() {
        let dirtied = profile.pattern_memory.0 as f64 / profile.postcopy_rewrite.as_secs_f64();
        assert!(dirtied >= profile.first_pass_bandwidth.0 as f64, "{}: {dirtied}", profile.name);
        assert_eq!(profile.rewrite(Mode::Precopy), profile.precopy_rewrite);
        assert_eq!(profile.rewrite(Mode::Postcopy), profile.postcopy_rewrite);
    }
}

#[rstest]
#[case::unlimited("unlimited", [None, Some(256)])]
#[case::less_than_the_first_pass_may_have("32MiB", [Some(32), Some(32)])]
#[case::more_than_the_first_pass_may_have("1GiB", [Some(1024), Some(256)])]
fn the_first_pass_of_post_copy_has_the_smaller_of_two_bandwidths(
    file: ScenarioFile,
    #[case] bandwidth: &str,
    #[case] expected_mib: [Option<u64>; 2],
) {
    let variable = |name: &str| (name == "MULTIVM_BANDWIDTH").then(|| bandwidth.to_owned());
    let profile = file.profile("lab").unwrap().clone().override_from(variable).unwrap();
    let before_switch = [Mode::Precopy, Mode::Postcopy].map(|mode| profile.bandwidth_before_switch(mode));
    assert_eq!(before_switch, expected_mib.map(|mib| mib.map(|mib| Bytes(mib << 20))));
}

#[rstest]
fn the_record_has_every_field_in_the_unit_of_its_name(file: ScenarioFile) {
    let facts = serde_json::to_value(RecordedProfile::from(file.profile("lab").unwrap())).unwrap();
    let expected = serde_json::json!({
        "name": "lab",
        "guests": 3,
        "load_guests": 2,
        "vcpus": 1,
        "memory_bytes": 256 << 20,
        "rounds": 1,
        "precopy_timeout_s": 120.0,
        "postcopy_timeout_s": 120.0,
        "at_timeout": "abort",
        "boot_timeout_s": 60.0,
        "probe_interval_s": 0.01,
        "max_gap_s": 10.0,
        "max_recovery_s": 4.0,
        "max_slowdown": 10,
        "settle_s": 0.5,
        "max_clock_drift_s": 5.0,
        "cpu_workers": 1,
        "memory_workers": 1,
        "memory_worker_bytes": 32 << 20,
        "pattern_memory_bytes": 32 << 20,
        "precopy_rewrite_s": 1.0,
        "postcopy_rewrite_s": 0.1,
        "downtime_limit_s": 0.3,
        "first_pass_bandwidth_bytes_per_s": 256 << 20,
    });
    assert_eq!(facts, expected);

    let limited = |name: &str| (name == "MULTIVM_BANDWIDTH").then(|| "64MiB".to_owned());
    let limited = file.profile("lab").unwrap().clone().override_from(limited).unwrap();
    let limited = serde_json::to_value(RecordedProfile::from(&limited)).unwrap();
    assert_eq!(
        limited["bandwidth_bytes_per_s"],
        64 << 20,
        "a limit that is not there is absent, and never null"
    );
}

/// Else a gap that is short for a network would make every look at the hosts a finding of `copies` and `writers`.
#[rstest]
#[case("20ms", 10)]
#[case("10s", 10)]
#[case("1m", 60)]
fn a_short_gap_makes_no_host_answer_faster(file: ScenarioFile, #[case] max_gap: &str, #[case] seconds: u64) {
    let variable = |name: &str| (name == "MULTIVM_MAX_GAP").then(|| max_gap.to_owned());
    let profile = file.profile("lab").unwrap().clone().override_from(variable).unwrap();
    assert_eq!(profile.blind_limit(), Duration::from_secs(seconds));
}

/// What takes longer on slow hosts is stretched, and nothing else.
#[rstest]
fn limits_are_stretched_on_hosts_with_few_cpus(file: ScenarioFile) {
    let lab = file.profile("lab").unwrap();
    let seconds = Duration::from_secs;
    let expected = Profile {
        precopy_timeout: seconds(240),
        postcopy_timeout: seconds(240),
        boot_timeout: seconds(120),
        max_gap: seconds(20),
        max_recovery: seconds(8),
        max_slowdown: 20,
        ..lab.clone()
    };
    assert_eq!(lab.stretched(150), expected);
    assert_eq!(lab.stretched(300), *lab);
    let many = Profile { guests: 200, ..lab.clone() };
    assert_eq!(many.stretched(200).boot_timeout, seconds(600), "no more than ten times");
}

/// Guests are started a few at a time, and may take as long as those few need.
#[rstest]
#[case::few(3, 1, 200, 3, 94.5)]
#[case::one(1, 1, 200, 1, 60.0)]
#[case::many(30, 1, 200, 4, 165.0)]
#[case::large(10, 4, 200, 2, 300.0)]
#[case::many_cpus(30, 1, 6400, 30, 60.0)]
#[case::half_a_cpu(2, 1, 50, 2, 252.0)]
fn guests_are_started_in_waves(
    file: ScenarioFile,
    #[case] guests: u32,
    #[case] vcpus: u32,
    #[case] cpu_percent: u32,
    #[case] wave: u32,
    #[case] limit_s: f64,
) {
    let profile = Profile { guests, vcpus, ..file.profile("lab").unwrap().clone() };
    assert_eq!(profile.wave(cpu_percent), wave);
    assert_eq!(profile.start_limit(cpu_percent).as_secs_f64(), limit_s);
}

/// Each variable changes its own field and no other.
#[rstest]
#[case("MULTIVM_GUESTS", "200", |p: &mut Profile| p.guests = 200)]
#[case("MULTIVM_LOAD_GUESTS", "5", |p: &mut Profile| p.load_guests = 5)]
#[case("MULTIVM_VCPUS", "4", |p: &mut Profile| p.vcpus = 4)]
#[case("MULTIVM_MEMORY", "1GiB", |p: &mut Profile| p.memory = Bytes(1 << 30))]
#[case("MULTIVM_ROUNDS", "7", |p: &mut Profile| p.rounds = 7)]
#[case("MULTIVM_PRECOPY_TIMEOUT", "5s", |p: &mut Profile| p.precopy_timeout = Duration::from_secs(5))]
#[case("MULTIVM_POSTCOPY_TIMEOUT", "1m 30s", |p: &mut Profile| p.postcopy_timeout = Duration::from_secs(90))]
#[case("MULTIVM_AT_TIMEOUT", "suspend_allowed", |p: &mut Profile| p.at_timeout = AtTimeout::SuspendAllowed)]
#[case("MULTIVM_BOOT_TIMEOUT", "2h", |p: &mut Profile| p.boot_timeout = Duration::from_secs(7200))]
#[case("MULTIVM_PROBE_INTERVAL", "5ms", |p: &mut Profile| p.probe_interval = Duration::from_millis(5))]
#[case("MULTIVM_MAX_GAP", "3s", |p: &mut Profile| p.max_gap = Duration::from_secs(3))]
#[case("MULTIVM_MAX_RECOVERY", "3s", |p: &mut Profile| p.max_recovery = Duration::from_secs(3))]
#[case("MULTIVM_MAX_SLOWDOWN", "20", |p: &mut Profile| p.max_slowdown = 20)]
#[case("MULTIVM_SETTLE", "20s", |p: &mut Profile| p.settle = Duration::from_secs(20))]
#[case("MULTIVM_MAX_CLOCK_DRIFT", "9s", |p: &mut Profile| p.max_clock_drift = Duration::from_secs(9))]
#[case("MULTIVM_CPU_WORKERS", "2", |p: &mut Profile| p.cpu_workers = 2)]
#[case("MULTIVM_MEMORY_WORKERS", "3", |p: &mut Profile| p.memory_workers = 3)]
#[case("MULTIVM_MEMORY_BYTES", "64MiB", |p: &mut Profile| p.memory_bytes = Bytes(64 << 20))]
#[case("MULTIVM_PATTERN_MEMORY", "8MiB", |p: &mut Profile| p.pattern_memory = Bytes(8 << 20))]
#[case("MULTIVM_PRECOPY_REWRITE", "2s", |p: &mut Profile| p.precopy_rewrite = Duration::from_secs(2))]
#[case("MULTIVM_POSTCOPY_REWRITE", "50ms", |p: &mut Profile| p.postcopy_rewrite = Duration::from_millis(50))]
#[case("MULTIVM_DOWNTIME_LIMIT", "20ms", |p: &mut Profile| p.downtime_limit = Duration::from_millis(20))]
#[case("MULTIVM_BANDWIDTH", "32MiB", |p: &mut Profile| p.bandwidth = Some(Bytes(32 << 20)))]
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
    assert_eq!(Profile::variables().count(), 24);
}

#[rstest]
fn no_budget_holds_until_somebody_writes_one(file: ScenarioFile) {
    assert!(file.scenarios().iter().all(|scenario| file.budget_of(scenario) == Budget::default()));
}

/// Whoever takes the example's comment signs away gets what its text says.
#[test]
fn the_example_of_a_budget_is_one() {
    let text = include_str!("../scenarios.toml");
    let (_, example) = text.split_once("# None holds unless it is written here; for example:\n").unwrap();
    let (example, _) = example.split_once("# --- Kernel log").unwrap();
    let example: String = example.lines().map(|line| format!("{}\n", line.trim_start_matches('#'))).collect();
    let file =
        ScenarioFile::parse("example", &format!("{text}\n{example}")).unwrap_or_else(|e| panic!("{e}"));
    let budget = |name: &str| file.budget_of(&name.parse().unwrap()).explain().join("\n");
    assert!(budget("precopy_orderly::in_vms::stress_cpu").contains("downtime at most 2s"));
    assert!(budget("postcopy_orderly::in_vms::stress_cpu").contains("total time at most 20s"));
    let cross = budget("postcopy_cross::in_vms::stress_memory");
    assert!(cross.contains("downtime at most 500ms") && cross.contains("total time at most 40s"), "{cross}");
}
