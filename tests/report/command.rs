//! `multivm report` and `multivm junit`.

use std::fs;
use std::path::Path;
use std::process::Command;

use multivm::record::Verdict;
use multivm::record::{Event, RunEnd};

use crate::story::{DIED, FAILED, Story};

pub const CASES: [(&str, fn()); 6] = [
    ("both_reports_go_beside_the_record", both_reports_go_beside_the_record),
    ("reports_go_where_they_are_wanted", reports_go_where_they_are_wanted),
    ("the_last_run_is_the_default", the_last_run_is_the_default),
    ("a_record_that_is_not_there_is_bad_input", a_record_that_is_not_there_is_bad_input),
    (
        "a_spoilt_record_is_bad_input_and_nothing_is_written",
        a_spoilt_record_is_bad_input_and_nothing_is_written,
    ),
    ("a_whole_matrix_is_small", a_whole_matrix_is_small),
];

/// Exit status, standard output, standard error.
pub fn multivm(arguments: &[&str], results: Option<&Path>) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_multivm"));
    command.args(arguments).env_remove("MULTIVM_RESULTS");
    if let Some(results) = results {
        command.env("MULTIVM_RESULTS", results);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn both_reports_go_beside_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let record = Story::cut_off().write(folder.path());
    for (command, file, run) in [
        ("report", "report.html", folder.path()),
        ("report", "report.html", record.as_path()),
        ("junit", "junit.xml", folder.path()),
    ] {
        let path = folder.path().join(file);
        let said = multivm(&[command, run.to_str().unwrap()], None);
        assert_eq!(said, (Some(0), format!("{}\n", path.display()), String::new()));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(FAILED) && text.contains(DIED), "{command}");
        fs::remove_file(&path).unwrap();
    }
}

fn reports_go_where_they_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    Story::cut_off().write(folder.path());
    let run = folder.path().to_str().unwrap();
    for (command, beside) in [("report", "report.html"), ("junit", "junit.xml")] {
        let wanted = folder.path().join("elsewhere");
        let (status, out, _) = multivm(&[command, run, "--output", wanted.to_str().unwrap()], None);
        assert_eq!((status, out), (Some(0), format!("{}\n", wanted.display())));
        assert!(wanted.is_file() && !folder.path().join(beside).exists());
        fs::remove_file(&wanted).unwrap();
    }
}

fn the_last_run_is_the_default() {
    let results = tempfile::tempdir().unwrap();
    let run = results.path().join("latest");
    fs::create_dir(&run).unwrap();
    Story::cut_off().write(&run);
    let (status, out, _) = multivm(&["report"], Some(results.path()));
    assert_eq!((status, out), (Some(0), format!("{}\n", run.join("report.html").display())));
}

fn a_record_that_is_not_there_is_bad_input() {
    for command in ["report", "junit"] {
        let (status, out, err) = multivm(&[command, "/nowhere"], None);
        assert_eq!((status, out.as_str()), (Some(2), ""));
        assert!(err.contains("there is no run /nowhere"), "{err}");
    }
}

fn a_spoilt_record_is_bad_input_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (record, expected) in [
        ("{\"v\":2,oops\n", "cannot read line 1 of the record"),
        ("{\"v\":1,\"t_ms\":0}\n", "has format version 1, this multivm reads version 2 only"),
        ("{\"v\":3}\n", "has format version 3, this multivm reads version 2 only"),
        ("", "it has no run_started event"),
    ] {
        fs::write(folder.path().join("record.jsonl"), record).unwrap();
        for command in ["report", "junit"] {
            let (status, _, err) = multivm(&[command, folder.path().to_str().unwrap()], None);
            assert_eq!(status, Some(2), "{err}");
            assert!(err.contains(expected), "{err}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn a_whole_matrix_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let names = include_str!("../golden/names.txt");
    let mut story = Story::new();
    let mut begin = 1_000;
    for name in names.lines() {
        story.scenario(begin, name, Verdict::Passed);
        begin += 21_000;
    }
    story.tell(
        begin,
        &Event::RunFinished(RunEnd { passed: names.lines().count() as u32, ..RunEnd::default() }),
    );
    story.write(folder.path());
    let (status, out, err) = multivm(&["report", folder.path().to_str().unwrap()], None);
    assert_eq!(status, Some(0), "{err}");
    let size = fs::metadata(out.trim_end()).unwrap().len();
    assert!(size < 10_000_000, "{size} bytes");
}
