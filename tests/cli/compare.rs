//! `multivm compare`.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use multivm::record::{Event, Outcome, Record, RecordedProfile, RunEnd, RunHeader, Stats, Verdict};
use multivm::scenario::Direction;
use rstest::rstest;

use super::cli;
use super::program::Cli;

/// A record with eight scenarios; each has legs of this total time, and of the last one it is known how it ended.
fn played(cli: &Cli, name: &str, total_s: f64, last: Verdict) -> PathBuf {
    let verdict = |number| Some(if number == 7 { last } else { Verdict::Passed });
    played_as(cli, name, total_s, &[0, 1, 2, 3, 4, 5, 6, 7].map(verdict), true)
}

/// A record with a scenario for each of these verdicts, of which one without began and has no result.
fn played_as(cli: &Cli, name: &str, total_s: f64, verdicts: &[Option<Verdict>], ended: bool) -> PathBuf {
    let folder = cli.place().join(name);
    fs::create_dir(&folder).unwrap();
    let mut header = RunHeader::new(name, ["multivm".to_owned()]);
    header.profile = Some(RecordedProfile { guests: Some(3), ..RecordedProfile::default() });
    let record = Record::create(&folder, header).unwrap();
    let write = |event: &Event| record.write(event).unwrap();
    for (number, verdict) in (0..).zip(verdicts) {
        let scenario = format!("precopy_orderly::in_vms::load_{number}");
        write(&Event::ScenarioStarted { scenario: scenario.clone(), ignored: false });
        for leg in 0..6 {
            write(&Event::LegStarted {
                guest: format!("vm{leg}"),
                round: 1,
                direction: Direction::Out,
                step: 1,
            });
            write(&Event::LegFinished {
                guest: format!("vm{leg}"),
                round: 1,
                direction: Direction::Out,
                step: 1,
                error: None,
                began_t_ms: None,
                duration_s: total_s * (1.0 + f64::from((7 * number + 3 * leg) % 5) / 10.0),
                stats: Stats::new([("downtime", 80 + leg), ("memory_processed", 200_000_000 + leg)]),
                switchover_s: None,
            });
        }
        if let Some(verdict) = verdict {
            let mut outcome = Outcome::new(&scenario, *verdict, SystemTime::UNIX_EPOCH);
            outcome.reason = (*verdict == Verdict::Error).then(|| "no host came up".to_owned());
            write(&Event::ScenarioFinished(outcome));
        }
    }
    if ended {
        write(&Event::RunFinished(RunEnd { passed: 8, failed: 0, ignored: 0, errors: 0, duration_s: 60.0 }));
    }
    folder
}

#[rstest]
#[case::same(2.1, Verdict::Passed, 0, "No regression.\n")]
#[case::slow(20.0, Verdict::Passed, 1, "REGRESSION: total time is worse in precopy_orderly.\n")]
#[case::failing(2.0, Verdict::Failed, 1, "REGRESSION: 1 scenario that passed fails.\n")]
#[case::refused(2.0, Verdict::Ignored, 1, "REGRESSION: 1 scenario that passed is refused.\n")]
#[case::erring(2.0, Verdict::Error, 1, "REGRESSION: 1 scenario that passed has an error.\n")]
fn two_runs_are_compared(
    cli: Cli,
    #[case] total_s: f64,
    #[case] last: Verdict,
    #[case] code: i32,
    #[case] headline: &str,
) {
    let base = played(&cli, "base", 2.0, Verdict::Passed);
    let new = played(&cli, "new", total_s, last);
    let arguments = format!("compare {} {}", base.display(), new.join("record.jsonl").display());
    let said = cli.run(&arguments);
    assert_eq!((said.code, &*said.err), (Some(code), ""));
    for part in [
        headline,
        "BASE base (",
        "NEW  new (",
        "Neither side has downtime events",
        "a coin for each scenario",
        "no scenario alone",
        "82.5 ms",
    ] {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
    assert!(said.out.starts_with(headline), "{}", said.out);

    let json = cli.run(&format!("{arguments} --format json"));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json["version"].as_u64(), json["regression"].as_bool()), (Some(5), Some(code == 1)));
    let compared = if matches!(last, Verdict::Ignored | Verdict::Error) { 7 } else { 8 };
    let rows = json["scenarios"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["metric"] == "total_time").count(), compared);
    assert_eq!((&rows[0]["metric"], &rows[0]["base"]["max"]), (&"libvirt_downtime".into(), &85.0.into()));

    let page = cli.place().join("compare.html");
    let html = cli.run(&format!("{arguments} --format html --output {}", page.display()));
    assert_eq!((html.code, &*html.out), (Some(code), headline));
    assert!(fs::read_to_string(page).unwrap().starts_with("<!doctype html>"));
}

/// What a run proves of the eight scenarios that passed in BASE decides: nothing at all, or a part, because it was stopped or
/// because no more was selected.
#[rstest]
#[case::all_errors(&[Some(Verdict::Error); 8], true, 2, "none of the 8 scenarios that passed or failed in BASE did so in NEW")]
#[case::nothing_began_but_one(&[None], false, 2, "load_0: begun, and without an end")]
#[case::cut_off(&[PASSED, PASSED, None], false, 2, "NOT DECIDED: NEW was interrupted or cut off")]
#[case::cut_off_between(&[PASSED, PASSED], false, 2, "and 6 of 8 scenarios that passed or failed in BASE have no result in NEW")]
#[case::error_before_the_cut(&[PASSED, Some(Verdict::Error)], false, 2, "NOT DECIDED: ")]
#[case::interrupted(&[PASSED, Some(Verdict::Interrupted), NOT_RUN, NOT_RUN], true, 2, "NOT DECIDED: ")]
#[case::failed_and_cut_off(&[PASSED, Some(Verdict::Failed), None], false, 1, "REGRESSION: 1 scenario that passed fails.\n")]
#[case::all_but_the_end(&[PASSED; 8], false, 0, "No regression.\n")]
#[case::fewer(&[PASSED; 3], true, 0, "No regression in 3 of 8 scenarios: the others have no result in NEW.\n")]
fn a_run_that_proved_too_little_is_no_good_one(
    cli: Cli,
    #[case] verdicts: &[Option<Verdict>],
    #[case] ended: bool,
    #[case] code: i32,
    #[case] told: &str,
) {
    let base = played(&cli, "base", 2.0, Verdict::Passed);
    let new = played_as(&cli, "new", 2.0, verdicts, ended).display().to_string();
    let compared = format!("compare {} {new}", base.display());
    let said = cli.run(&compared);
    let text = format!("{}{}", said.out, said.err);
    assert_eq!(said.code, Some(code), "{text}");
    let told = told.replace("NEW was", &format!("{new} was"));
    assert!(text.contains(&told), "{told} is not in:\n{text}");

    let page = cli.place().join("compare.html");
    let html = cli.run(&format!("{compared} --format html --output {}", page.display()));
    assert_eq!(html.code, Some(code));
    assert!(format!("{}{}", html.out, html.err).contains(&told), "{}", html.out);
}

const PASSED: Option<Verdict> = Some(Verdict::Passed);
const NOT_RUN: Option<Verdict> = Some(Verdict::NotRun);

/// A merged record gives what a part was cut off in an error, which is no regression.
#[rstest]
fn a_merged_part_that_was_cut_off_decides_nothing(cli: Cli) {
    let base = played(&cli, "base", 2.0, Verdict::Passed).display().to_string();
    let cut = played_as(&cli, "cut", 2.0, &[PASSED, PASSED, None], false).display().to_string();
    let merged = cli.place().join("merged").display().to_string();
    assert_eq!(cli.run(&format!("merge {cut} --output {merged}")).code, Some(0));
    let said = cli.run(&format!("compare {base} {merged}"));
    assert_eq!((said.code, &*said.err), (Some(2), ""), "{}", said.out);
    assert!(said.out.starts_with("NOT DECIDED: "), "{}", said.out);
    assert!(said.out.contains("Without a result in NEW (1):"), "{}", said.out);
    assert!(said.out.contains("Only in BASE (5):"), "{}", said.out);
}

/// Three runs a side name the scenarios, each with the medians of its runs.
#[rstest]
fn several_runs_a_side_are_compared(cli: Cli) {
    let runs = |names: [&str; 3], total_s: f64| {
        let paths = names.map(|name| played(&cli, name, total_s, Verdict::Passed).display().to_string());
        paths.join(" ")
    };
    let (base, new) = (runs(["a", "b", "c"], 2.0), runs(["d", "e", "f"], 20.0));
    let said = cli.run(&format!("compare --base {base} --new {new}"));
    assert_eq!((said.code, &*said.err), (Some(1), ""));
    let headline = "REGRESSION: total time is worse in precopy_orderly, and in 8 scenarios.\n";
    assert!(said.out.starts_with(headline), "{}", said.out);
    for part in [
        "NEW  f (",
        "20 ways",
        "medians of the runs 2.40 s, 2.40 s, 2.40 s -> 24.0 s",
        "p 0.0500",
        "one scenario from x",
    ] {
        assert!(said.out.contains(part), "{part} is not in:\n{}", said.out);
    }
    let json = cli.run(&format!("compare --format json --new {base} --base {new}"));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let test = &json["test"];
    assert_eq!(
        (&test["dealt"], &test["ways"], &json["regression"]),
        (&"runs".into(), &20.into(), &false.into())
    );
    let total_time = &json["scenarios"][1];
    assert_eq!((&total_time["metric"], &total_time["claim"]), (&"total_time".into(), &"better".into()));
    assert_eq!(total_time["by_run"][1].as_array().unwrap().len(), 3);
}

#[rstest]
fn runs_of_different_profiles_are_compared_with_a_warning(cli: Cli) {
    let base = played(&cli, "base", 2.0, Verdict::Passed);
    let new = played(&cli, "new", 2.0, Verdict::Passed);
    let path = new.join("record.jsonl");
    let text = fs::read_to_string(&path).unwrap().replace(r#"{"guests":3}"#, r#"{"guests":9}"#);
    fs::write(&path, text).unwrap();
    let said = cli.run(&format!("compare {} {}", base.display(), new.display()));
    assert!(said.out.contains("THE PROFILES DIFFER") && said.out.contains("guests: 3 -> 9"), "{}", said.out);
}

/// Status 1 is for regressions alone: `git bisect` must not take anything else for one.
#[rstest]
#[case::nothing("compare /nowhere BASE", "/nowhere")]
#[case::no_record("compare BASE EMPTY", "no run_started event")]
#[case::nothing_in_common("compare BASE OTHER", "no scenario in common")]
#[case::twice("compare BASE BASE/record.jsonl", "the run base is given twice")]
#[case::twice_on_a_side("compare --base AGAIN BASE BASE --new OTHER", "the run base is given twice")]
#[case::cannot_be_written("compare BASE AGAIN --output /nowhere/x", "/nowhere/x")]
#[case::form("compare BASE AGAIN --format xml", "text, json, html")]
#[case::one_run("compare BASE", "2 values required")]
#[case::one_side("compare --base BASE AGAIN", "--new <RUN>")]
#[case::both_forms("compare BASE AGAIN --base BASE --new AGAIN", "cannot be used with")]
#[case::profiles_of_a_side("compare --base BASE NINE --new AGAIN", "guests: 3 -> 9")]
fn what_cannot_be_compared_is_bad_input(cli: Cli, #[case] arguments: &str, #[case] told: &str) {
    let base = played(&cli, "base", 2.0, Verdict::Passed).display().to_string();
    let empty = cli.place().join("empty.jsonl");
    fs::write(&empty, "").unwrap();
    let other = cli.place().join("other");
    fs::create_dir(&other).unwrap();
    Record::create(&other, RunHeader::new("other", [])).unwrap();
    let again = played(&cli, "again", 2.0, Verdict::Passed).display().to_string();
    let nine = played(&cli, "nine", 2.0, Verdict::Passed);
    let text = fs::read_to_string(nine.join("record.jsonl")).unwrap();
    fs::write(nine.join("record.jsonl"), text.replace(r#"{"guests":3}"#, r#"{"guests":9}"#)).unwrap();
    let arguments = arguments.replace("BASE", &base).replace("EMPTY", empty.to_str().unwrap());
    let arguments = arguments.replace("AGAIN", &again).replace("NINE", nine.to_str().unwrap());
    let said = cli.run(&arguments.replace("OTHER", other.to_str().unwrap()));
    assert_eq!((said.code, &*said.out), (Some(2), ""), "{}", said.err);
    assert!(said.err.contains(told), "{told} is not in:\n{}", said.err);
}

/// A merged record, and a folder with the folders of several processes, are one run; what is in them is known.
#[rstest]
fn a_merged_record_and_a_folder_of_runs_are_one_run(cli: Cli) {
    let [base, new] =
        ["base", "new"].map(|name| played(&cli, name, 2.0, Verdict::Passed).display().to_string());
    fs::create_dir(cli.place().join("nextest-1")).unwrap();
    played(&cli, "nextest-1/one", 2.0, Verdict::Passed);
    played(&cli, "nextest-1/two", 2.0, Verdict::Failed);
    let group = cli.place().join("nextest-1").display().to_string();
    let merged = cli.place().join("merged").display().to_string();
    let merge = cli.run(&format!("merge {base} {new} --output {merged}"));
    assert_eq!(merge.code, Some(0), "{}", merge.err);

    let said = cli.run(&format!("compare {merged} {group}"));
    assert_eq!((said.code, &*said.err), (Some(1), ""), "{}", said.out);
    assert!(said.out.starts_with("REGRESSION: 1 scenario that passed fails."), "{}", said.out);
    assert!(said.out.contains("96 and 96 legs"), "both have each scenario twice:\n{}", said.out);
    let said = cli.run(&format!("compare --base {merged} --new {group} {new}"));
    assert_eq!((said.code, &*said.out), (Some(2), ""));
    assert!(said.err.contains("the run new is given twice"), "{}", said.err);
    let said = cli.run(&format!("compare {group} {group}/one"));
    assert!(said.err.contains("is given twice"), "{}", said.err);
}
