//! `multivm watch`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use multivm::record::{Event, Record, RunEnd, RunHeader, WriterProcess};
use multivm::record::{Outcome, Verdict};
use multivm::run::process_of;
use rstest::rstest;

use super::cli;
use super::program::Cli;

/// A run in the results folder: of process `writer`, in which one scenario passed and another began; whole if its
/// verdict is given. If the second one was ignored, the first one was, too.
pub fn leave_a_run(results: &Path, writer: WriterProcess, verdict: Option<Verdict>) -> PathBuf {
    let folder = results.join(format!("20260102T030405Z-{}", writer.pid));
    fs::create_dir_all(&folder).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    let mut header = RunHeader::new(name, ["migration".to_owned()]);
    header.scenarios = Some(2);
    header.process = Some(writer);
    let record = Record::create(&folder, header).unwrap();
    let ignored = verdict == Some(Verdict::Ignored);
    let outcome = |scenario: &str, verdict| {
        let mut outcome = Outcome::new(scenario, verdict, SystemTime::now());
        outcome.duration = std::time::Duration::from_secs(10);
        outcome.reason = (verdict != Verdict::Passed).then(|| "the lab is gone".to_owned());
        Event::ScenarioFinished(outcome)
    };
    let mut events = vec![
        Event::ScenarioStarted { scenario: "precopy_cross::a".into(), ignored: false },
        outcome("precopy_cross::a", if ignored { Verdict::Ignored } else { Verdict::Passed }),
        Event::ScenarioStarted { scenario: "precopy_cross::b".into(), ignored: false },
    ];
    if let Some(verdict) = verdict {
        events.push(outcome("precopy_cross::b", verdict));
        let failed = u32::from(verdict == Verdict::Failed);
        events.push(Event::RunFinished(RunEnd {
            passed: if ignored { 0 } else { 2 - failed },
            failed,
            ignored: if ignored { 2 } else { 0 },
            errors: 0,
            duration_s: 21.0,
        }));
    }
    events.iter().for_each(|event| record.write(event).unwrap());
    folder
}

/// A process that has ended.
pub fn ended_process() -> WriterProcess {
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let process = process_of(child.id() as i32).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    process
}

pub fn this_process() -> WriterProcess {
    process_of(std::process::id() as i32).unwrap()
}

#[rstest]
#[case::good(Some(Verdict::Passed), 0, "finished after 0:21; 2 passed\nRecord, JUnit and evidence are in ")]
#[case::failed(Some(Verdict::Failed), 1, "finished after 0:21; 1 passed, 1 failed\n")]
#[case::proved_nothing(
    Some(Verdict::Ignored),
    1,
    "nothing was proved: all that was played was ignored (2), the first because the lab is gone\nRecord, JUnit"
)]
#[case::cut_off(
    None,
    1,
    "The run was cut off: its record has no end, and its process PID is not on this machine"
)]
fn a_run_that_is_over_is_shown(
    cli: Cli,
    #[case] verdict: Option<Verdict>,
    #[case] code: i32,
    #[case] told: &str,
    #[values("watch --once", "watch")] command: &str,
) {
    let results = cli.place().join("results");
    let writer = ended_process();
    let folder = leave_a_run(&results, writer, verdict);
    let told = told.replace("PID", &writer.pid.to_string());
    // In a pipe the line about the end begins with its time.
    let told = if command == "watch" { told.replace("0:21; ", "0:21: ") } else { told };
    let said = cli.run(&format!("{command} {}", folder.display()));
    assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
    assert!(said.out.contains(&told), "{told} is not in:\n{}", said.out);
    assert!(!said.out.contains('\x1b') && !said.out.contains('\x0b'), "{:?}", said.out);
    let failure = "2/2 precopy_cross::b FAILED after 10.0 s: the lab is gone";
    assert_eq!(said.out.contains(failure), verdict == Some(Verdict::Failed), "{}", said.out);
    let passes = command == "watch" && verdict != Some(Verdict::Ignored);
    assert_eq!(said.out.contains("1/2 precopy_cross::a passed"), passes, "{}", said.out);
    assert!(!cli.state().exists());
}

#[rstest]
fn a_run_that_goes_on_is_shown_once(cli: Cli) {
    let results = cli.place().join("results");
    let folder = leave_a_run(&results, this_process(), None);
    std::os::unix::fs::symlink(folder.file_name().unwrap(), results.join("latest")).unwrap();
    let said = cli.run_with("watch --once", &[("MULTIVM_RESULTS", results.to_str().unwrap())]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    for part in [
        "[##########..........]  scenario 2 of 2, 0:",
        "; 1 passed; ",
        "precopy_cross::b\n",
        "The run goes on",
    ] {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
}

/// Of the same number, and started at another time.
#[rstest]
fn another_process_is_not_taken_for_that_of_the_run(cli: Cli) {
    let mut other = this_process();
    other.start_ticks += 1;
    let folder = leave_a_run(&cli.place().join("results"), other, None);
    let said = cli.run(&format!("watch --once {}", folder.display()));
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.out.contains("The run was cut off"), "{}", said.out);
}

#[rstest]
fn a_run_is_named_in_short(cli: Cli) {
    let results = cli.place().join("results");
    let folder = leave_a_run(&results, ended_process(), Some(Verdict::Passed));
    let name = folder.file_name().unwrap().to_str().unwrap();
    for named in [name.to_owned(), format!("{name}/record.jsonl")] {
        let said = cli.run(&format!("watch --once --results {} {named}", results.display()));
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    }
}

#[rstest]
fn a_run_that_is_not_there_is_bad_input(cli: Cli) {
    let results = cli.place().join("results");
    let variables = [("MULTIVM_RESULTS", results.to_str().unwrap())];
    for (arguments, told) in [
        ("watch", "results/latest\n"),
        ("watch --once 2026", "there is no run "),
        ("watch --once", "cargo test starts one"),
    ] {
        let said = cli.run_with(arguments, &variables);
        assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
        assert!(said.err.contains(told) && said.out.is_empty(), "{}", said.err);
    }
    let folder = leave_a_run(&results, this_process(), None);
    let said = cli.run_with("watch", &variables);
    assert!(said.err.contains(folder.file_name().unwrap().to_str().unwrap()), "{}", said.err);
    // A folder without a record, and a record that is none.
    fs::remove_file(folder.join("record.jsonl")).unwrap();
    let said = cli.run(&format!("watch {}", folder.display()));
    assert!(said.code == Some(2) && said.err.contains("cannot open the record"), "{}", said.err);
    fs::write(folder.join("record.jsonl"), "nonsense\n").unwrap();
    let said = cli.run(&format!("watch {}", folder.display()));
    assert!(said.code == Some(2) && said.err.contains("cannot read line 1 of the record"), "{}", said.err);
}
