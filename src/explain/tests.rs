//! What the package's own scenarios say about themselves, held against what is played.

use std::collections::BTreeSet;

use rstest::{fixture, rstest};

use super::*;
use crate::check::{About, CHECKS};
use crate::libvirt::{Migration, Version};
use crate::load::ToolCommands;
use crate::migration::Move;
use crate::plan::{Direction, Side};
use crate::scenario::{AtTimeout, Bytes, Mode, Room, ScenarioFile, Transport};

const SEED: Seed = Seed(42);

#[fixture]
fn file() -> ScenarioFile {
    ScenarioFile::parse("scenarios.toml", include_str!("../../scenarios.toml")).unwrap()
}

fn explained(file: &ScenarioFile, name: &str, profile: &str) -> String {
    let scenario: Scenario = name.parse().unwrap();
    explain(&scenario, &file.profile_of(&scenario, file.profile(profile).unwrap()), SEED).join("\n")
}

fn everything(file: &ScenarioFile) -> Vec<Scenario> {
    file.scenarios().iter().copied().chain(file.ignored()).collect()
}

/// The lines of a list: what comes behind the line that begins so, indented.
fn list<'a>(lines: &'a [String], head: &str) -> Vec<&'a str> {
    let begin = lines.iter().position(|line| line.starts_with(head)).unwrap_or_else(|| panic!("no {head}"));
    let indented = lines[begin + 1..].iter().take_while(|line| line.starts_with("  "));
    indented.map(|line| line.trim_start()).collect()
}

/// The whole text, for one scenario of each mode, each place of load, and both profiles. `INSTA_UPDATE=always cargo test --lib explain`
/// writes what it is now.
#[rstest]
#[case::cross("postcopy_cross::in_vms::stress_memory", "lab")]
#[case::on_hosts("precopy_simultaneous::on_both_and_vms::stress_ng_cpu_half", "reference")]
#[case::booting("precopy_compressed::booting::load_vms", "lab")]
fn the_whole_text_is_as_it_was(file: ScenarioFile, #[case] name: &str, #[case] profile: &str) {
    insta::assert_snapshot!(
        format!("{}-{profile}", name.replace("::", "-")),
        explained(&file, name, profile)
    );
}

/// Every leg that is explained is a leg that is planned, in the same step and direction, for every scenario there is.
#[rstest]
fn the_steps_are_those_that_are_played(file: ScenarioFile) {
    let lab = file.profile("lab").unwrap();
    for scenario in everything(&file) {
        let lines = explain(&scenario, lab, SEED);
        let fleet = plan::PlanInput { guests: 3, rounds: 1, seed: SEED };
        let planned = scenario.order.steps(&fleet).unwrap();
        let told = list(&lines, "Moves: ");
        assert_eq!(told.len(), planned.len(), "{scenario}");
        for (number, (told, step)) in told.iter().zip(&planned).enumerate() {
            let moves = told.strip_prefix(&format!("{}. ", number + 1));
            let moves = moves.unwrap_or_else(|| panic!("{scenario}: {told}"));
            let of_text: BTreeSet<(Direction, usize)> = moves.split(" while ").flat_map(moves_in).collect();
            let legs = step.legs.iter().map(|leg| (leg.direction, leg.guest + 1));
            assert_eq!(of_text, legs.collect::<BTreeSet<_>>(), "{scenario}: {told}");
        }
    }
}

/// The moves that one half of a step's text tells, as `guests 1 to 3 go out together`: the direction and number of each guest.
fn moves_in(half: &str) -> Vec<(Direction, usize)> {
    let direction = match (half.contains(" out"), half.contains(" back")) {
        (true, false) => Direction::Out,
        (false, true) => Direction::Back,
        _ => panic!("not one direction: {half}"),
    };
    let words = half.split(|letter: char| !letter.is_ascii_digit());
    let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    let guests: Vec<usize> = match numbers.as_slice() {
        [first, last] if half.contains(" to ") => (*first..=*last).collect(),
        all => all.to_vec(),
    };
    guests.into_iter().map(|guest| (direction, guest)).collect()
}

/// The flags and parameters that libvirt gets with the lab's profile for a mode and a transport.
fn asked_of_libvirt(scenario: &Scenario) -> String {
    let (flags, parameters, downtime) = match scenario.mode {
        Mode::Precopy => ("VIR_MIGRATE_AUTO_CONVERGE", "", "300 ms"),
        Mode::Postcopy if scenario.boots_itself() => (
            "VIR_MIGRATE_POSTCOPY",
            ", bandwidth 16 MiB/s, available bandwidth for the switchover 1 MiB/s (from libvirt 11.1.0 and QEMU 8.2.0 on)",
            "1 ms",
        ),
        Mode::Postcopy => (
            "VIR_MIGRATE_POSTCOPY",
            ", bandwidth 256 MiB/s, available bandwidth for the switchover 1 MiB/s (from libvirt 11.1.0 and QEMU 8.2.0 on)",
            "1 ms",
        ),
    };
    let (flag, parameter) = match scenario.transport {
        Transport::Plain => ("", ""),
        Transport::Xbzrle => (" | VIR_MIGRATE_COMPRESSED", ", compression xbzrle"),
        Transport::Multifd => (" | VIR_MIGRATE_PARALLEL", ", 4 parallel connections"),
    };
    format!(
        "VIR_MIGRATE_LIVE | VIR_MIGRATE_PERSIST_DEST | {flags}{flag}{parameters}{parameter}, downtime-limit {downtime}"
    )
}

/// What is explained is what mode and transport are to ask of libvirt, and what libvirt is handed for each direction.
#[rstest]
fn the_flags_are_those_that_libvirt_is_handed(file: ScenarioFile) {
    let lab = file.profile("lab").unwrap();
    for scenario in everything(&file) {
        let lines = explain(&scenario, lab, SEED);
        let told = lines.iter().find_map(|line| line.strip_prefix("Each migration: ")).unwrap();
        let asked = asked_of_libvirt(&scenario);
        assert!(told.starts_with(&format!("{asked}; ")), "{scenario}: {told}");
        for (from, to) in [(Side::Source, Side::Target), (Side::Target, Side::Source)] {
            let handed = Move::of(&scenario, lab, Pace::default(), from, to).options;
            assert_eq!(handed.to_string(), asked, "{scenario}");
            let handed = handed.migration;
            let without = Migration { switchover_bandwidth_mib: None, ..handed.clone() };
            for (libvirt, qemu, expected) in [(1, 2, &handed), (0, 2, &without), (1, 1, &without)] {
                let host = (Version::new(11, libvirt, 0), Version::new(8, qemu, 0));
                assert_eq!(handed.known_to(&[host, host]), *expected, "{scenario}: {host:?}");
            }
        }
    }
}

/// The checks that are explained are those that a scenario begins, each with the moments of its description, for every scenario
/// there is.
#[rstest]
fn the_proofs_are_those_that_apply(file: ScenarioFile) {
    let lab = file.profile("lab").unwrap();
    for scenario in everything(&file) {
        let lines = explain(&scenario, lab, SEED);
        let told: Vec<&str> = list(&lines, "Proved, ")
            .into_iter()
            .map(|line| line.strip_prefix("- ").and_then(|line| line.split_once(": ")).unwrap().0)
            .collect();
        let asked = CHECKS.iter().filter(|check| check.applies(&scenario)).map(|check| {
            let About { id, asked, .. } = check.about();
            let moments: Vec<String> = asked.iter().map(ToString::to_string).collect();
            format!("{id} ({})", moments.join(", "))
        });
        assert_eq!(told, asked.collect::<Vec<_>>(), "{scenario}");
    }
}

/// A check says which scenarios it is asked of if some are not, and only then.
#[rstest]
fn a_check_that_some_scenarios_do_not_ask_says_so(file: ScenarioFile) {
    let scenarios = everything(&file);
    for check in CHECKS {
        let About { id, only, .. } = check.about();
        let asking = scenarios.iter().filter(|scenario| check.applies(scenario)).count();
        assert!(asking > 0, "{id}: no scenario asks it");
        assert_eq!(only.is_some(), asking < scenarios.len(), "{id}: {asking} scenarios ask it");
    }
}

/// The loads that are explained are the commands that are started, in the same places, for every scenario there is.
#[rstest]
fn the_loads_are_those_that_are_played(file: ScenarioFile, #[values("lab", "reference")] profile: &str) {
    let room = |_| Room { cpu_percent: 400, memory_left: Bytes(4 << 30) };
    for scenario in everything(&file) {
        let profile = file.profile_of(&scenario, file.profile(profile).unwrap());
        let played = ToolCommands::of(&scenario, &profile, room);
        let in_guest =
            played.in_guest.iter().map(|command| ("every guest".to_owned(), command.words.join(" ")));
        let on_hosts = played
            .on_hosts
            .iter()
            .map(|(side, command)| (format!("the {side} host"), command.words[0].clone()));
        let lines = explain(&scenario, &profile, SEED);
        let told = lines.iter().filter_map(|line| {
            let (place, rest) = line.strip_prefix("Load ")?.split_once(": `")?;
            let place = place.trim_start_matches("in ").trim_start_matches("on ");
            Some((place.to_owned(), rest.split_once('`')?.0.to_owned()))
        });
        assert_eq!(told.collect::<Vec<_>>(), in_guest.chain(on_hosts).collect::<Vec<_>>(), "{scenario}");
        let boots = lines.iter().any(|line| line.starts_with("Load: "));
        assert_eq!(boots, played == ToolCommands::default(), "{scenario}");
    }
}

#[rstest]
fn a_long_plan_is_shown_in_part(file: ScenarioFile) {
    let text = explained(&file, "precopy_cross::in_vms::stress_memory", "reference");
    for line in [
        "Load in every guest: `stress --vm 4 --vm-bytes 128M --vm-keep`",
        "Moves: 5 rounds there and back, in a rotation",
        "  1. guest 10 goes out; prove.",
        "  10. guest 9 goes out while guest 8 comes back; prove.",
        "  ... 40 more steps like these",
        "  51. guest 9 comes back; prove.",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[rstest]
fn a_bandwidth_is_told(
    file: ScenarioFile,
    #[values("precopy_orderly::in_vms::stress_cpu", "postcopy_orderly::in_vms::stress_cpu")] name: &str,
) {
    let scenario = file.named(name).unwrap();
    let profile = Profile { bandwidth: Some(Bytes(32 << 20)), ..file.profile("lab").unwrap().clone() };
    let text = explain(&scenario, &profile, SEED).join("\n");
    assert!(text.contains(", bandwidth 32 MiB/s"), "{text}");
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
#[case::guests("precopy_orderly::in_vms::stress_cpu", &["rewrites 32MiB with a pattern, all of it once in 1s"])]
#[case::post_copy("postcopy_orderly::in_vms::stress_cpu", &[
    "all of it once in 100ms", "bandwidth 256 MiB/s", "it may take 2m, then it is aborted before its switch, and given up after it", "post_copy (leg)",
])]
#[case::half_of_the_memory("precopy_orderly::on_target_and_vms::stress_memory_half", &[
    "Load in every guest: `stress ",
    "Load on the target host: `stress`, half of the memory that it has left after its guests",
    "oom_score_adj 1000",
])]
#[case::short_of_memory("precopy_orderly::on_source::stress_memory_short", &["source host: `stress`, 5/4 of the memory"])]
#[case::half_of_the_cpus("precopy_orderly::on_source::stress_ng_cpu_half", &["`stress-ng`, workers on half of its CPUs"])]
#[case::short_of_cpus("precopy_orderly::on_source::stress_cpu_short", &["3/2 as many workers as it has CPUs"])]
#[case::load_vm("precopy_orderly::booting::load_vm", &["load guest 1, which does not migrate, boots on the source"])]
#[case::load_vms("precopy_orderly::booting::load_vms", &["2 load guests", "alternately on source and target"])]
#[case::migrated_vms("precopy_simultaneous::booting::migrated_vms", &["within 1m of every start", "power off and on"])]
#[case::compressed("precopy_compressed::booting::load_vms", &["VIR_MIGRATE_COMPRESSED", "XBZRLE", "transport (leg, end)"])]
#[case::cross("precopy_cross::in_vms::stress_cpu", &["2. guest 1 goes out while guest 3 comes back", "- overlap (step, end)"])]
#[case::sizing("precopy_orderly::in_vms::stress_cpu::set_memory_2", &["3 guests of 1 vCPU and 4GiB (sizing set_memory_2)"])]
fn a_scenario_says_what_is_its_own(file: ScenarioFile, #[case] name: &str, #[case] parts: &[&str]) {
    let text = explained(&file, name, "lab");
    for part in parts {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[rstest]
#[case(AtTimeout::Abort, "then it is aborted, which fails the scenario")]
#[case(AtTimeout::Suspend, "suspended so that it can complete, which fails the scenario")]
#[case(AtTimeout::SuspendAllowed, "suspended so that it can complete, which is allowed")]
fn what_happens_at_a_timeout_is_said(file: ScenarioFile, #[case] at_timeout: AtTimeout, #[case] then: &str) {
    let profile = Profile { at_timeout, ..file.profile("lab").unwrap().clone() };
    let scenario: Scenario = "precopy_orderly::in_vms::stress_cpu".parse().unwrap();
    let text = explain(&scenario, &profile, SEED).join("\n");
    assert!(text.contains(then), "{text}");
    // libvirt aborts no post-copy whose guest has switched, whatever the profile says of pre-copies.
    let scenario = Scenario { mode: Mode::Postcopy, ..scenario };
    let text = explain(&scenario, &profile, SEED).join("\n");
    assert!(text.contains("then it is aborted before its switch, and given up after it"), "{text}");
}

#[rstest]
fn every_scenario_explains_itself_differently(file: ScenarioFile, #[values(false, true)] sized: bool) {
    let file = if sized { file.sized().unwrap() } else { file };
    let lab = file.profile("lab").unwrap();
    let texts: BTreeSet<String> = everything(&file)
        .iter()
        .map(|scenario| {
            let lines = explain(scenario, &file.profile_of(scenario, lab), SEED);
            assert_eq!(lines[0], scenario.name());
            // Without the name, which differs anyway.
            lines[1..].join("\n")
        })
        .collect();
    assert_eq!(texts.len(), everything(&file).len());
}
