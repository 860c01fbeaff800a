//! Finds the durations of scenarios in the earlier runs of a results folder, without reading all of their records.

use std::fs;
use std::path::{Path, PathBuf};

use super::estimate::Earlier;
use crate::record::{FILE_NAME, Tail, Verdict, results_of};

/// The most runs to read, the newest first: a day of single scenarios makes many small ones.
const RUNS: usize = 20;

/// The most bytes to read: some seconds' worth on a slow disk.
const LIMIT: u64 = 256 << 20;

/// The durations in the earlier runs of `results`, without the run called `but`. An unreadable record is left out, because
/// an estimate must not fail a run.
pub fn earlier(results: &Path, but: &str) -> Earlier {
    let mut earlier = Earlier::default();
    let mut bytes = 0;
    for folder in newest_first(results, but).into_iter().take(RUNS) {
        bytes += fs::metadata(folder.join(FILE_NAME)).map(|data| data.len()).unwrap_or_default();
        if bytes > LIMIT {
            break;
        }
        let run = played(&folder);
        if !run.is_empty() {
            earlier.add_older(run);
        }
    }
    earlier
}

/// The folders of runs, the newest first: their names sort by time. No two processes of one machine share a folder's name,
/// and the link `latest` is no folder.
fn newest_first(results: &Path, but: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(results).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()) && name != but)
        .collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names.into_iter().map(|name| results.join(name)).collect()
}

/// The scenarios of a run with a good end, with their seconds; a failed one ended early. None for an unreadable record.
fn played(folder: &Path) -> Vec<(String, f64)> {
    let events = Tail::open(folder).and_then(|mut tail| {
        tail.present_only();
        tail.poll()
    });
    let results = events.ok().and_then(|events| results_of(&events)).unwrap_or_default();
    let good = results.outcomes.into_iter().filter(|outcome| {
        outcome.verdict == Verdict::Passed || (outcome.verdict.is_good() && !outcome.duration.is_zero())
    });
    good.map(|outcome| (outcome.scenario, outcome.duration.as_secs_f64())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::record::{Event, Outcome, Record, RunHeader};

    fn run(results: &Path, name: &str, outcomes: &[(&str, Verdict, u64)]) {
        let folder = results.join(name);
        fs::create_dir_all(&folder).unwrap();
        let record = Record::create(&folder, RunHeader::default()).unwrap();
        for (scenario, verdict, seconds) in outcomes {
            let mut outcome = Outcome::new(*scenario, *verdict, SystemTime::now());
            outcome.duration = Duration::from_secs(*seconds);
            record.write(&Event::ScenarioStarted { scenario: (*scenario).into(), ignored: false }).unwrap();
            record.write(&Event::ScenarioFinished(outcome)).unwrap();
        }
    }

    #[test]
    fn the_newest_good_end_counts() {
        use Verdict::{Failed, Ignored, Passed};
        let results = tempfile::tempdir().unwrap();
        run(results.path(), "20260101T000000Z-1", &[("a", Passed, 10), ("b", Passed, 20), ("d", Ignored, 0)]);
        run(results.path(), "20260102T000000Z-1", &[("a", Passed, 11), ("b", Failed, 2), ("c", Ignored, 3)]);
        run(results.path(), "20260103T000000Z-1", &[("a", Passed, 99)]);
        fs::create_dir(results.path().join("20260104T000000Z-1")).unwrap();
        fs::create_dir(results.path().join("something else")).unwrap();
        std::os::unix::fs::symlink("20260103T000000Z-1", results.path().join("latest")).unwrap();
        let earlier = earlier(results.path(), "20260103T000000Z-1");
        let seconds = ["a", "b", "c", "d"].map(|name| earlier.seconds(name));
        assert_eq!(seconds, [Some(11.0), Some(20.0), Some(3.0), None]);
    }

    #[test]
    fn a_record_that_was_cut_off_tells_what_it_has() {
        let results = tempfile::tempdir().unwrap();
        run(results.path(), "20260101T000000Z-1", &[("a", Verdict::Passed, 10), ("b", Verdict::Passed, 20)]);
        let path = results.path().join("20260101T000000Z-1/record.jsonl");
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 20]).unwrap();
        let earlier = earlier(results.path(), "");
        assert_eq!((earlier.seconds("a"), earlier.seconds("b")), (Some(10.0), None));
    }

    #[test]
    fn no_results_are_no_failure() {
        assert_eq!(earlier(Path::new("/nowhere"), "").seconds("a"), None);
    }
}
