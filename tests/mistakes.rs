//! What a user sees who makes a mistake in `scenarios.toml` or in a variable: place, reason, what is allowed.

use std::time::Duration;

use multivm::scenario::{Budget, InputError, Limit, Scenario, ScenarioFile, Sizing};
use rstest::{Context, rstest};

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
max_recovery = "4s"
max_slowdown = 10
settle = "500ms"
cpu_workers = 1
memory_workers = 1
memory_bytes = "32MiB"
pattern_memory = "16MiB"
first_pass_bandwidth = "64MiB"
downtime_limit = "300ms"
bandwidth = "unlimited"
precopy_rewrite = "1s"
postcopy_rewrite = "250ms"
load_guests = 1
max_clock_drift = "5s"
at_timeout = "abort"

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
max_recovery = "10s"
max_slowdown = 10
settle = "30s"
cpu_workers = 4
memory_workers = 4
memory_bytes = "128MiB"
pattern_memory = "128MiB"
first_pass_bandwidth = "512MiB"
downtime_limit = "300ms"
bandwidth = "1GiB"
precopy_rewrite = "1s"
postcopy_rewrite = "250ms"
load_guests = 10
max_clock_drift = "5s"
at_timeout = "suspend"

[[kernel_log.allow]]
pattern = "clocksource"
reason = "the lab is slow"

[sizing]
set_vcpu_2 = { vcpus = 2 }

[[budget]]
max_downtime = "2s"
reason = "clients give up"

[[budget]]
when = { mode = ["postcopy"] }
max_downtime = "500ms"
max_total = "20s"
reason = "what it is for"

[[budget]]
scenario = "postcopy_cross::in_vms::stress_cpu"
max_total = "40s"
reason = "two share the link"

[[ignored]]
cases = { order = ["simultaneous"], what = ["load_vm"] }
reason = "beyond it"
"#;

fn mistake(text: &str) -> InputError {
    match ScenarioFile::parse("my.toml", text) {
        Ok(_) => panic!("no mistake found in:\n{text}"),
        Err(error) => error,
    }
}

fn good() -> ScenarioFile {
    ScenarioFile::parse("my.toml", GOOD).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_file_without_mistakes_has_none() {
    let file = good();
    assert_eq!(file.scenarios().len(), 2 * 2 * 3);
    assert_eq!(file.sets().count(), 2);
    assert_eq!(file.profiles().count(), 2);
    assert_eq!(file.allowed_lines()[0].pattern, "clocksource");
    let beyond: Vec<String> = file.ignored().iter().map(Scenario::name).collect();
    assert_eq!(beyond, ["precopy_simultaneous::booting::load_vm", "postcopy_simultaneous::booting::load_vm"]);
    assert_eq!(file.ignored_because(&beyond[0].parse().unwrap()), Some("beyond it"));
    assert_eq!(file.ignored_because(&file.scenarios()[0]), None);
    assert_eq!(file.named(&beyond[0]).unwrap().name(), beyond[0]);
    assert_eq!(file.sized().unwrap().scenarios()[0].sizing, Some(Sizing::SetVcpu2));
}

/// `spoil`, found once in the good file, becomes `with`; the message must point at the place, and is kept whole: `INSTA_UPDATE=always
/// cargo test --test mistakes` writes what the messages are now. The place is a piece of the spoiled file with a `^` before the
/// character that the message points at, so that no case knows how many lines and keys the file has.
#[rstest]
// TOML itself.
#[case::syntax("guests = 3\n", "guests = \n", "guests = ^")]
#[case::open_array(r#"["orderly", "cross"]"#, r#"["orderly", "cross""#, "^where =")]
#[case::key_twice("rounds = 1\n", "guests = 1\n", "^guests = 1")]
#[case::table_twice("[profile.reference]", "[profile.lab]", "[profile.^lab]\nguests = 10")]
// Keys.
#[case::unknown_table("[set.one]", "[sets.one]", "[^sets.one]")]
#[case::unknown_axis("order = [", "ordre = [", "^ordre =")]
#[case::missing_axis("order = [\"orderly\", \"cross\"]\n", "", "^[axes]")]
#[case::alias_of_a_transport("[\"orderly\", \"cross\"]", "[\"compressed\", \"cross\"]", "order = [^")]
#[case::unknown_transport(
    "what = [\"stress_cpu\", \"load_vm\"]",
    "what = [\"stress_cpu\", \"load_vm\"]\ntransport = [\"zbxrle\"]",
    "^\"zbxrle"
)]
#[case::unknown_axis_in_when("when = { where", "when = { place", "{ ^place")]
#[case::unknown_axis_in_only("only = { what", "only = { load", "{ ^load")]
#[case::no_reason("reason = \"no guest boots there\"\n", "", "^[[constraint]]")]
#[case::unknown_key_in_set("description = \"one\"", "descrption = \"one\"", "^descrption")]
#[case::unknown_key_in_profile("rounds = 1\n", "round = 1\n", "^round =")]
#[case::missing_key_in_profile("rounds = 1\n", "", "[profile.^lab]")]
#[case::wrong_type("mode = [\"precopy\", \"postcopy\"]", "mode = \"precopy\"", "mode = ^")]
#[case::unknown_key_in_kernel_log("pattern = \"clocksource\"", "pattrn = \"clocksource\"", "^pattrn")]
#[case::no_reason_to_allow("reason = \"the lab is slow\"", "", "^[[kernel_log.allow]]")]
#[case::empty_reason("\"the lab is slow\"", "\" \"", "reason = ^\" \"")]
#[case::empty_pattern("\"clocksource\"", "\"\"", "pattern = ^")]
// Values of axes.
#[case::unknown_value("\"in_vms\", \"booting\"]", "\"in_vm\", \"booting\"]", "^\"in_vm")]
#[case::value_twice("[\"precopy\", \"postcopy\"]", "[\"precopy\", \"precopy\"]", "precopy\", ^")]
#[case::empty_axis("what = [\"stress_cpu\", \"load_vm\"]", "what = []", "what = ^")]
#[case::unknown_value_in_only(
    "only = { what = [\"stress_cpu\"]",
    "only = { what = [\"stress_gpu\"]",
    " what = [^"
)]
#[case::value_not_on_the_axis(
    "when = { where = [\"in_vms\"]",
    "when = { where = [\"on_both\"]",
    "^\"on_both"
)]
// Constraints without effect.
#[case::removes_none(
    "only = { what = [\"stress_cpu\"]",
    "only = { what = [\"stress_cpu\", \"load_vm\"]",
    "only = ^{ what"
)]
#[case::only_without_axis("only = { what = [\"stress_cpu\"] }", "only = {}", "only = ^")]
#[case::when_without_value("when = { where = [\"in_vms\"] }", "when = { where = [] }", "where = ^[] }")]
#[case::selects_none(
    "[set.one]",
    "[[constraint]]\nwhen = { where = [\"in_vms\"], what = [\"load_vm\"] }\nonly = { order = [\"cross\"] }\nreason = \"r\"\n[set.one]",
    "^{ where = [\"in_vms\"],"
)]
// Sets.
#[case::filter_of_nothing(
    "[\"precopy_cross::in_vms\"]",
    "[\"precopy\", \"precopy_compressed\"]",
    "^\"precopy_compressed"
)]
#[case::no_filter("filters = [\"precopy_cross::in_vms\"]", "filters = []", "filters = ^")]
#[case::nothing_in_it("filters = [\"precopy_cross::in_vms\"]\n", "", "[set.^one]")]
#[case::filters_and_cover("[set.one]", "[set.one]\ncover = \"pairs\"", "^\"pairs")]
#[case::unknown_cover("filters = [\"precopy_cross::in_vms\"]", "cover = \"triples\"", "cover = ^")]
#[case::declares_all("[set.one]", "[set.all]", "[set.^all]")]
// Sizes.
#[case::unknown_size("set_vcpu_2 =", "set_vcpus_2 =", "^set_vcpus_2")]
#[case::size_of_something_else("{ vcpus = 2", "{ guests = 2", "{ ^guests")]
#[case::size_of_nothing("{ vcpus = 2 }", "{}", "set_vcpu_2 = ^")]
#[case::size_out_of_range("{ vcpus = 2", "{ vcpus = 257", "vcpus = ^257")]
// Profiles.
#[case::missing_profile("[profile.reference]", "[profile.huge]", "[profile.^huge]")]
#[case::too_many_guests("guests = 3\n", "guests = 201\n", "guests = ^")]
#[case::no_guests("guests = 3\n", "guests = 0\n", "guests = ^")]
#[case::negative("rounds = 1\n", "rounds = -1\n", "rounds = ^")]
#[case::quoted_number("guests = 3\n", "guests = \"3\"\n", "guests = ^")]
#[case::size_without_unit("memory = \"256MiB\"", "memory = \"256\"", "memory = ^\"256\"")]
#[case::bare_size("memory = \"256MiB\"", "memory = 256", "memory = ^")]
#[case::decimal_unit("memory = \"256MiB\"", "memory = \"256MB\"", "^\"256MB")]
#[case::duration_without_unit("boot_timeout = \"60s\"", "boot_timeout = \"60\"", "boot_timeout = ^\"60\"")]
#[case::bad_word("at_timeout = \"abort\"", "at_timeout = \"abrot\"", "^\"abrot")]
#[case::zero_duration("max_gap = \"10s\"", "max_gap = \"0s\"", "max_gap = ^\"0s\"")]
// Budgets.
#[case::unknown_key_in_budget("max_downtime = \"2s\"", "max_downtme = \"2s\"", "^max_downtme")]
#[case::budget_without_reason("reason = \"clients give up\"\n", "", "^[[budget]]")]
#[case::budget_with_an_empty_reason("\"clients give up\"", "\"\"", "reason = ^\"\"")]
#[case::budget_of_nothing("max_downtime = \"2s\"\n", "", "^[[budget]]")]
#[case::budget_without_unit("\"2s\"", "\"2\"", "max_downtime = ^")]
#[case::budget_as_a_number("\"2s\"", "2", "max_downtime = ^")]
#[case::budget_of_zero("\"20s\"", "\"0s\"", "max_total = ^\"0s\"")]
#[case::unknown_value_in_budget("mode = [\"postcopy\"]", "mode = [\"postcpy\"]", "^\"postcpy")]
#[case::unknown_axis_in_budget("when = { mode = [\"postcopy\"]", "when = { moda = [\"postcopy\"]", "{ ^moda")]
#[case::budget_for_nothing(
    "when = { mode = [\"postcopy\"] }",
    "when = { where = [\"in_vms\"], what = [\"load_vm\"] }",
    "^{ where = [\"in_vms\"],"
)]
#[case::budget_for_both(
    "scenario = \"postcopy_cross",
    "when = {}\nscenario = \"postcopy_cross",
    "scenario = ^"
)]
#[case::budget_for_an_unknown_scenario("\"postcopy_cross::in_vms", "\"postcopy_cros::in_vms", "scenario = ^")]
#[case::budget_for_a_scenario_that_is_left_out(
    "\"postcopy_cross::in_vms::stress_cpu",
    "\"postcopy_cross::in_vms::load_vm",
    "scenario = ^"
)]
#[case::budget_that_is_replaced(
    "[[budget]]\nscenario",
    "[[budget]]\nmax_downtime = \"1s\"\nreason = \"r\"\n[[budget]]\nscenario",
    "^[[budget]]"
)]
// Cases beyond the matrix.
#[case::ignored_without_reason("reason = \"beyond it\"\n", "", "^[[ignored]]")]
#[case::ignored_with_an_empty_reason("\"beyond it\"", "\"\"", "reason = ^\"\"")]
#[case::unknown_key_in_ignored("cases = { order", "case = { order", "^case =")]
#[case::unknown_axis_in_ignored("cases = { order", "cases = { ordre", "{ ^ordre")]
#[case::unknown_value_in_ignored("[\"simultaneous\"]", "[\"simultanous\"]", " order = [^")]
#[case::ignored_and_in_the_matrix("[\"simultaneous\"]", "[\"simultaneous\", \"cross\"]", "cases = ^{ order")]
#[case::ignored_and_forbidden(
    "what = [\"load_vm\"] }\nreason = \"beyond",
    "what = [\"load_vm\"], where = [\"in_vms\"] }\nreason = \"beyond",
    "cases = ^{ order"
)]
#[case::ignored_without_sense(
    "what = [\"load_vm\"] }\nreason = \"beyond",
    "what = [\"load_vm\"], where = [\"on_both\"] }\nreason = \"beyond",
    "cases = ^{ order"
)]
#[case::ignored_twice(
    "[[ignored]]",
    "[[ignored]]\ncases = { order = [\"simultaneous\"], mode = [\"postcopy\"], what = [\"load_vm\"] }\nreason = \"r\"\n[[ignored]]",
    "^{ order = [\"simultaneous\"], what"
)]
fn a_mistake_is_told_with_its_place_and_what_is_allowed(
    #[context] context: Context,
    #[case] spoil: &str,
    #[case] with: &str,
    #[case] place: &str,
) {
    let text = GOOD.replacen(spoil, with, 1);
    assert_ne!(text, GOOD, "the case does not change the file");
    let message = mistake(&text).to_string();

    let (line, column) = line_and_column(&text, place);
    let arrow = format!(" my.toml:{line}:{column}\n");
    assert!(message.contains(&arrow), "{arrow} is not in:\n{message}");
    assert!(message.starts_with("error: "), "{message}");
    assert!(!message.contains('\u{1b}'), "no colours:\n{message}");
    insta::assert_snapshot!(context.description.unwrap(), message);
}

/// Where `place`, with a `^` in it, is found first, counted from 1: the line and the column of the `^`.
fn line_and_column(text: &str, place: &str) -> (usize, usize) {
    let (before, behind) = place.split_once('^').expect("a place has a ^");
    let found = text.find(&format!("{before}{behind}"));
    let head = &text[..found.unwrap_or_else(|| panic!("{place} is not in:\n{text}")) + before.len()];
    let line = head.rsplit('\n').next().unwrap_or_default();
    (head.matches('\n').count() + 1, line.chars().count() + 1)
}

/// For each limit, the last budget that is for the scenario.
#[rstest]
#[case("precopy_cross::in_vms::stress_cpu", Some((2000, "clients give up")), None)]
#[case("postcopy_orderly::in_vms::stress_cpu", Some((500, "what it is for")), Some((20_000, "what it is for")))]
#[case("postcopy_cross::in_vms::stress_cpu", Some((500, "what it is for")), Some((40_000, "two share the link")))]
#[case("postcopy_cross::in_vms::stress_cpu::set_vcpu_2", Some((500, "what it is for")), Some((40_000, "two share the link")))]
fn the_last_budget_holds(
    #[case] name: &str,
    #[case] downtime: Option<(u64, &str)>,
    #[case] total: Option<(u64, &str)>,
) {
    let limit = |limit: Option<(u64, &str)>| {
        limit.map(|(most_ms, reason)| Limit { most: Duration::from_millis(most_ms), reason: reason.into() })
    };
    let budget = good().budget_of(&name.parse().unwrap());
    assert_eq!(budget, Budget { downtime: limit(downtime), total: limit(total) });
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

#[test]
fn a_set_or_profile_that_is_not_declared_is_named() {
    let file = good();
    let message = file.profile("labb").unwrap_err().to_string();
    for part in ["`labb`", "my.toml", "`lab`, `reference`", "did you mean `lab`?"] {
        assert!(message.contains(part), "{part} is not in:\n{message}");
    }
    let message = file.set("slow").unwrap_err().to_string();
    assert!(message.contains("`all`, `one`"), "{message}");
}

#[test]
fn a_file_without_sizes_cannot_be_sized() {
    let (head, _) = GOOD.split_once("[sizing]").unwrap();
    let file = ScenarioFile::parse("my.toml", head).unwrap();
    let message = file.sized().unwrap_err().to_string();
    for part in ["my.toml", "`[sizing]`", "MULTIVM_SIZING=0", "`set_vcpu_1`"] {
        assert!(message.contains(part), "{part} is not in:\n{message}");
    }
}

#[rstest]
#[case::unknown_size(
    "precopy_cross::in_vms::stress_cpu::set_vcpu_9",
    "unknown sizing or transport `set_vcpu_9`"
)]
#[case::size_that_is_not_declared("precopy_cross::in_vms::stress_cpu::set_vcpu_1", "on no axis of the file")]
#[case::five_parts("precopy_cross::in_vms::stress_cpu::plain::set_vcpu_2::again", "`::{sizing}`")]
#[case::left_out("precopy_cross::in_vms::load_vm::set_vcpu_2", "no guest boots there")]
fn a_sized_name_that_is_none_is_told(#[case] name: &str, #[case] told: &str) {
    let message = good().named(name).unwrap_err().to_string();
    for part in [told, Scenario::NAME_FORM] {
        assert!(message.contains(part), "{part} is not in:\n{message}");
    }
}

#[rstest]
#[case("MULTIVM_GUESTS", "0", "a whole number from 1 to 200")]
#[case("MULTIVM_GUESTS", "201", "a whole number from 1 to 200")]
#[case("MULTIVM_GUESTS", "ten", "a whole number from 1 to 200")]
#[case("MULTIVM_ROUNDS", "0", "a whole number from 1")]
#[case("MULTIVM_MEMORY", "256", "units KiB, MiB, GiB")]
#[case("MULTIVM_MEMORY", "0GiB", "a size above zero")]
#[case("MULTIVM_MAX_GAP", "10", "units ms, s, m, h")]
#[case("MULTIVM_MAX_GAP", "0s", "a duration above zero")]
#[case("MULTIVM_LOAD_GUESTS", "51", "a whole number from 1 to 50")]
#[case("MULTIVM_PATTERN_MEMORY", "100KiB", "a size of whole MiB above zero")]
#[case("MULTIVM_BANDWIDTH", "none", "`unlimited` or a size of whole MiB above zero")]
#[case("MULTIVM_BANDWIDTH", "0MiB", "`unlimited` or a size of whole MiB above zero")]
#[case("MULTIVM_DOWNTIME_LIMIT", "300", "units ms, s, m, h")]
#[case("MULTIVM_AT_TIMEOUT", "pause", "one of `abort`, `suspend`, `suspend_allowed`")]
fn a_bad_override_names_variable_value_and_what_is_allowed(
    #[case] variable: &str,
    #[case] value: &str,
    #[case] allowed: &str,
) {
    let lab = good().profile("lab").unwrap().clone();
    let message =
        lab.override_from(|name| (name == variable).then(|| value.to_owned())).unwrap_err().to_string();
    for part in [variable, &format!("`{value}`"), allowed] {
        assert!(message.contains(part), "{part} is not in:\n{message}");
    }
}
