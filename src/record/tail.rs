//! Reads a record while a run writes it.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::line::{Parser, event_name};
use super::{Envelope, Event, ReportError, writer};

/// Follows a record: each [`Tail::poll`] gives the events since the one before.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: BufReader<File>,
    /// The place of the first unread line, and its number.
    offset: u64,
    line: usize,
    parser: Parser,
    /// Whether the next poll leaves out the details of scenarios that are over.
    present_only: bool,
}

impl Tail {
    /// Opens the record at `path`, a `record.jsonl` or the folder of a run.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Tail, ReportError> {
        let path = if path.is_dir() { path.join(writer::FILE_NAME) } else { path.to_path_buf() };
        let file = BufReader::new(File::open(&path).map_err(ReportError::io("open the record", &path))?);
        Ok(Tail { path, file, offset: 0, line: 1, parser: Parser::default(), present_only: false })
    }

    /// Makes the next [`Tail::poll`] leave out the details of all scenarios but the last: of a run of hours that is nearly
    /// everything, and takes seconds to parse.
    pub fn present_only(&mut self) {
        self.present_only = true;
    }

    /// The record.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the new events. An incomplete last line waits for the next poll.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, a complete line is not an event, or a later multivm wrote it.
    pub fn poll(&mut self) -> Result<Vec<(Envelope, Event)>, ReportError> {
        let path = self.path.clone();
        let failed = || ReportError::io("read the record", &path);
        // This begins after the last complete line: the writer may have taken back an incomplete one, as on a full disk.
        self.file.seek(SeekFrom::Start(self.offset)).map_err(failed())?;
        let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
        // How many lines come from before the last scenario began; those lose their details.
        let mut over = 0;
        loop {
            let mut bytes = Vec::new();
            if self.file.read_until(b'\n', &mut bytes).map_err(failed())? == 0 || !bytes.ends_with(b"\n") {
                break;
            }
            self.offset += bytes.len() as u64;
            if self.present_only && event_name(&bytes) == Some("scenario_started") {
                let present = lines.split_off(over);
                lines.extend(present.into_iter().filter(|(_, line)| !is_detail(line)));
                over = lines.len();
            }
            lines.push((self.line, bytes));
            self.line += 1;
        }
        self.present_only = false;
        lines.into_iter().map(|(number, line)| self.parser.parse(&self.path, number, &line)).collect()
    }
}

/// Whether a line is of no interest once its scenario is over.
fn is_detail(line: &[u8]) -> bool {
    let whole = [
        "run_started",
        "fixture_ready",
        "guest_panicked",
        "lines_lost",
        "scenario_started",
        "check_failed",
        "scenario_finished",
        "repair",
        "run_finished",
    ];
    event_name(line).is_some_and(|name| !whole.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::time::SystemTime;

    use super::*;
    use crate::record::{Finding, Outcome, Verdict};
    use crate::record::{Record, RunHeader, Stats, results_of};

    fn names(events: Vec<(Envelope, Event)>) -> Vec<&'static str> {
        events.iter().map(|(_, event)| event.name()).collect()
    }

    fn started() -> Event {
        Event::ScenarioStarted { scenario: "a".into(), ignored: false }
    }

    #[test]
    fn it_follows_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let mut tail = Tail::open(folder.path()).unwrap();
        assert_eq!(names(tail.poll().unwrap()), ["run_started"]);
        assert_eq!(names(tail.poll().unwrap()), [""; 0]);
        record.write(&started()).unwrap();
        record.write(&started()).unwrap();
        assert_eq!(names(tail.poll().unwrap()), ["scenario_started"; 2]);
    }

    #[test]
    fn an_incomplete_line_waits_for_its_rest_or_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let mut tail = Tail::open(record.path()).unwrap();
        tail.poll().unwrap();
        let whole = fs::metadata(record.path()).unwrap().len();
        let mut file = OpenOptions::new().append(true).open(record.path()).unwrap();
        file.write_all(br#"{"t_ms":5,"#).unwrap();
        assert!(tail.poll().unwrap().is_empty());
        file.write_all(b"\"event\":\"scenario_started\",\"scenario\":\"a\"}\n{\"v\":").unwrap();
        assert_eq!(names(tail.poll().unwrap()), ["scenario_started"]);
        let end = fs::metadata(record.path()).unwrap().len();
        assert!(end > whole);
        file.set_len(end - 5).unwrap();
        record.write(&started()).unwrap();
        assert_eq!(names(tail.poll().unwrap()), ["scenario_started"]);
    }

    #[test]
    fn of_scenarios_that_are_over_only_their_results_are_given() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let sample = || Event::JobSample { guest: "vm1".into(), stats: Stats::default() };
        let finished = || Event::ScenarioFinished(Outcome::new("a", Verdict::Passed, SystemTime::now()));
        let found = || Event::CheckFailed(Finding::in_a_test("memory"));
        // Of the first scenario the first play does not count.
        let plays = [started(), found(), sample(), started(), sample(), found(), finished()];
        for event in plays.into_iter().chain([started(), sample(), finished(), started(), sample()]) {
            record.write(&event).unwrap();
        }
        let mut tail = Tail::open(folder.path()).unwrap();
        tail.present_only();
        let events = tail.poll().unwrap();
        let findings: Vec<usize> =
            results_of(&events).unwrap().outcomes.iter().map(|outcome| outcome.findings.len()).collect();
        assert_eq!(findings, [1, 0, 0]);
        let names_of = |events: Vec<(Envelope, Event)>| -> Vec<&str> {
            names(events)
                .into_iter()
                .filter(|name| !["scenario_started", "check_failed"].contains(name))
                .collect()
        };
        assert_eq!(names_of(events), ["run_started", "scenario_finished", "scenario_finished", "job_sample"]);
        // What is written from now on is the present.
        for event in [sample(), finished(), started()] {
            record.write(&event).unwrap();
        }
        assert_eq!(names(tail.poll().unwrap()), ["job_sample", "scenario_finished", "scenario_started"]);
    }

    #[test]
    fn a_spoilt_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let mut tail = Tail::open(folder.path()).unwrap();
        tail.poll().unwrap();
        let mut file = OpenOptions::new().append(true).open(record.path()).unwrap();
        file.write_all(b"{\"v\":1,oops\n").unwrap();
        let error = tail.poll().unwrap_err().to_string();
        assert!(error.contains("cannot read line 2 of the record "), "{error}");
    }
}
