//! What the package's own scenarios say about themselves.

use std::collections::BTreeSet;

use rstest::{fixture, rstest};

use crate::scenario::{AtTimeout, Bytes, Profile, Scenario, ScenarioFile};

#[fixture]
fn file() -> ScenarioFile {
    ScenarioFile::parse("scenarios.toml", include_str!("../../../scenarios.toml")).unwrap()
}

fn explained(file: &ScenarioFile, name: &str, profile: &str) -> String {
    let scenario: Scenario = name.parse().unwrap();
    scenario.explain(&file.profile_of(&scenario, file.profile(profile).unwrap())).join("\n")
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
        "VIR_MIGRATE_AUTO_CONVERGE; over when the rest can be sent in 300ms (QEMU's downtime-limit); it may take 30m, then it is aborted, which fails the scenario.",
        "10. guest 9 goes out while guest 8 comes back",
        "11 to 50. the rotation goes on for 4 more rounds: guest 10 goes out while guest 9 comes back",
        "51. guest 9 comes home alone",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[rstest]
#[case::precopy(
    "precopy_orderly::in_vms::stress_cpu",
    "VIR_MIGRATE_AUTO_CONVERGE, at no more than 32MiB/s; over when"
)]
#[case::postcopy(
    "postcopy_orderly::in_vms::stress_cpu",
    "after the first pre-copy pass, at no more than 32MiB/s, it is switched over (virDomainMigrateStartPostCopy), at no more than 32MiB/s; it may"
)]
fn a_bandwidth_is_told(file: ScenarioFile, #[case] name: &str, #[case] told: &str) {
    let scenario = file.named(name).unwrap();
    let mut profile = file.profile("lab").unwrap().clone();
    profile.bandwidth = Some(Bytes(32 << 20));
    let text = scenario.explain(&profile).join("\n");
    assert!(text.contains(told), "{text}");
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
    "all of it once in 100ms", "at no more than 256MiB/s", "it may take 2m, then it is aborted", "it was post-copy",
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
#[case::migrated_vms("precopy_simultaneous::booting::migrated_vms", &[
    "within 1m of every start", "power off and on", "boots aside", "as far as it has come",
])]
#[case::compressed("precopy_compressed::booting::load_vms", &["VIR_MIGRATE_COMPRESSED", "XBZRLE"])]
#[case::cross("precopy_cross::in_vms::stress_cpu", &["it crossed", "it was live: the guest was not suspended"])]
#[case::sizing("precopy_orderly::in_vms::stress_cpu::set_memory_2", &["3 guests of 1 vCPU and 4GiB (sizing set_memory_2)"])]
fn a_scenario_says_what_is_its_own(file: ScenarioFile, #[case] name: &str, #[case] parts: &[&str]) {
    let text = explained(&file, name, "lab");
    for part in
        parts.iter().chain(&["watched all the time", "`qemu-img check`", "ssh connection", "than 5s against"])
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[rstest]
#[case(AtTimeout::Abort, "then it is aborted, which fails the scenario", "was not suspended")]
#[case(
    AtTimeout::Suspend,
    "suspended so that it can complete, which fails the check `live`",
    "was not suspended"
)]
#[case(AtTimeout::SuspendAllowed, "suspended so that it can complete, which is allowed", "or it is reported")]
fn what_happens_at_a_timeout_is_said(
    file: ScenarioFile,
    #[case] at_timeout: AtTimeout,
    #[case] then: &str,
    #[case] live: &str,
) {
    let profile = Profile { at_timeout, ..file.profile("lab").unwrap().clone() };
    let scenario: Scenario = "precopy_orderly::in_vms::stress_cpu".parse().unwrap();
    let text = scenario.explain(&profile).join("\n");
    assert!(text.contains(then) && text.contains(live), "{text}");
}

#[rstest]
fn every_scenario_explains_itself_differently(file: ScenarioFile, #[values(false, true)] sized: bool) {
    let file = if sized { file.sized().unwrap() } else { file };
    let lab = file.profile("lab").unwrap();
    let texts: BTreeSet<String> = file
        .scenarios()
        .iter()
        .map(|scenario| {
            let lines = scenario.explain(&file.profile_of(scenario, lab));
            assert_eq!(lines[0], scenario.name());
            // Without the name, which differs anyway.
            lines[1..].join("\n")
        })
        .collect();
    assert_eq!(texts.len(), file.scenarios().len());
}
