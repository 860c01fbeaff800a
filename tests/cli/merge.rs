//! `multivm merge`, and folders of several runs.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use multivm::record::{Event, Record, RunEnd, RunHeader};
use multivm::record::{Outcome, Verdict};
use rstest::rstest;

use super::cli;
use super::program::Cli;

fn record(folder: &Path, scenario: &str, ended: bool) {
    fs::create_dir_all(folder).unwrap();
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let record = Record::create(folder, RunHeader::new(name, ["migration".to_owned()])).unwrap();
    record.write(&Event::ScenarioStarted { scenario: scenario.into(), ignored: false }).unwrap();
    if ended {
        let outcome = Outcome::new(scenario, Verdict::Passed, SystemTime::now());
        record.write(&Event::ScenarioFinished(outcome)).unwrap();
        record
            .write(&Event::RunFinished(RunEnd {
                passed: 1,
                failed: 0,
                ignored: 0,
                errors: 0,
                duration_s: 1.0,
            }))
            .unwrap();
    }
}

#[rstest]
fn parts_become_one_run(cli: Cli) {
    let root = cli.place();
    record(&root.join("one"), "precopy_cross::in_vms::stress_cpu", true);
    record(&root.join("two"), "precopy_cross::in_vms::stress_cpu", false);
    let merged = root.join("merged");
    let arguments =
        format!("merge {0}/one {0}/two/record.jsonl --output {1}", root.display(), merged.display());
    let said = cli.run(&arguments);
    assert_eq!((said.code, &*said.err), (Some(0), ""), "{}", said.out);
    for part in [
        "2 scenarios of 2 parts, in ",
        "two: cut off",
        "two: has again what an earlier part has: precopy_cross::",
    ] {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
    for file in ["record.jsonl", "junit.xml", "report.html"] {
        assert!(merged.join(file).is_file(), "{file}");
    }

    let again = cli.run(&arguments);
    assert_eq!(again.code, Some(2), "{}", again.out);
    assert!(again.err.contains("cannot create the record"), "{}", again.err);
}

/// What the processes of a run of nextest leave: a folder of each, in one.
#[rstest]
fn a_folder_of_parts_is_one_run(cli: Cli) {
    let group = cli.place().join("nextest-1");
    record(&group.join("one"), "precopy_cross::in_vms::stress_cpu", true);
    record(&group.join("two"), "postcopy_cross::in_vms::stress_cpu", true);
    for (command, file) in [("report", "report.html"), ("junit", "junit.xml")] {
        let said = cli.run(&format!("{command} {}", group.display()));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let text = fs::read_to_string(group.join(file)).unwrap();
        for name in ["precopy_cross::in_vms::stress_cpu", "postcopy_cross::in_vms::stress_cpu"] {
            assert!(text.contains(name), "{name} is not in {file}");
        }
    }
}
