//! A run on disk: its folder, its record, the outcomes of its scenarios, its reports.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::spent;
use crate::failure::{Attempt, Result};
use crate::ledger::Owner;
use crate::plan::Seed;
use crate::record::{
    Event, Fold, ObserverGuard, Record, RepairedPart, Results, RunEnd, RunFolder, RunHeader, WriterProcess,
    results_from_record,
};
use crate::record::{Outcome, RecordedProfile, Verdict};
use crate::report::{html, junit};
use crate::sys::disk::Disk;
use crate::sys::parallel::locked;
use crate::sys::terminal;

/// What making the HTML report is called.
const MAKE_PAGE: &str = "make the HTML report";

/// A running process in a record's form; none if no process has that pid.
pub fn process_of(pid: i32) -> Option<WriterProcess> {
    Owner::of(pid).map(|Owner { pid, start }| WriterProcess { pid, start_ticks: start })
}

/// One run on disk.
pub struct Run {
    folder: RunFolder,
    /// The folder of the group of runs that this one belongs to.
    group: Option<PathBuf>,
    pub record: Record,
    /// The record's events so far, put together as its readers do it.
    fold: Arc<Mutex<Fold<()>>>,
    _folding: ObserverGuard,
    /// The number of plays of each scenario.
    played: Mutex<BTreeMap<String, u32>>,
    begin: Instant,
}

impl Run {
    /// Makes the run's folder, in the results folder or in its group's, and its record. The number of scenarios is for
    /// readers of the record.
    pub fn create(
        results: &Path,
        group: Option<&Path>,
        profile: Option<RecordedProfile>,
        scenarios: Option<usize>,
        seed: Option<Seed>,
        catalogue: Option<String>,
    ) -> Result<Run> {
        let results = group.unwrap_or(results).to_owned();
        let disk = Disk::of(&results);
        let its_own = disk.clone();
        let attempted = format!("make a folder for this run in {}", results.display());
        let (folder, header, record) = disk.within(&attempted.clone(), move || {
            let folder = RunFolder::create(&results).attempting(|| attempted.clone())?;
            let mut header = RunHeader::new(folder.name(), std::env::args());
            header.profile = profile;
            header.scenarios = scenarios.and_then(|number| u32::try_from(number).ok());
            header.seed = seed.map(|Seed(seed)| seed);
            header.catalogue = catalogue;
            header.process = process_of(std::process::id() as i32);
            let record =
                Record::create_on(&its_own, folder.path(), header.clone()).attempting(|| attempted)?;
            Ok((folder, header, record))
        })?;
        let mut fold = Fold::default();
        fold.take(&record.now(), &Event::RunStarted(header));
        let fold = Arc::new(Mutex::new(fold));
        let folding = record.observe({
            let (fold, record) = (Arc::clone(&fold), record.clone());
            move |event| {
                locked(&fold).take(&record.now(), event);
            }
        });
        Ok(Run {
            folder,
            group: group.map(Path::to_owned),
            record,
            fold,
            _folding: folding,
            played: Mutex::default(),
            begin: Instant::now(),
        })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn header(&self) -> RunHeader {
        self.fold().header.clone()
    }

    /// Makes a folder for one play of a scenario.
    pub fn scenario_folder(&self, scenario: &str) -> Result<PathBuf> {
        let mut played = locked(&self.played);
        let times = played.entry(scenario.to_owned()).or_insert(0);
        *times += 1;
        // A second play leaves the evidence of the first alone.
        let name = if *times == 1 { scenario.to_owned() } else { format!("{scenario}.{times}") };
        let (folder, attempted) = (self.folder.clone(), format!("make a folder for {scenario}"));
        self.disk().within(&attempted.clone(), move || folder.scenario_dir(&name).attempting(|| attempted))
    }

    /// Records that a fixture is ready, whose facts are then in the reports' header.
    pub fn fixture_ready(&self, name: &str, took: Duration, facts: BTreeMap<String, String>) {
        self.write(&Event::FixtureReady { name: name.to_owned(), duration_s: took.as_secs_f64(), facts });
    }

    /// Records a repair and what made it necessary.
    pub fn repaired(&self, part: RepairedPart, what: impl Into<String>, why: impl ToString) {
        self.write(&Event::Repair { part, what: what.into(), why: why.to_string() });
    }

    pub fn write(&self, event: &Event) {
        // The run goes on; its end reports the missing lines.
        let _ = self.record.write(event);
    }

    /// Records an outcome, and returns it with the findings that the record has of its play: those of a play that was abandoned
    /// or panicked as well.
    pub fn finished(&self, outcome: Outcome) -> Outcome {
        let outcome = Outcome { catalogue: self.header().catalogue, ..outcome };
        self.write(&Event::ScenarioFinished(outcome.clone()));
        self.fold().result_of(&outcome.scenario).cloned().unwrap_or(outcome)
    }

    /// The outcome of the last scenario that has one.
    pub fn last(&self) -> Option<Outcome> {
        self.fold().results().last().cloned()
    }

    /// The reason why a run without failures is no success: none of its plays proved anything. None for any other run.
    pub fn unproved(&self) -> Option<String> {
        self.fold().unproved()
    }

    /// Lines about the use of the run's time.
    pub fn spent(&self) -> Vec<String> {
        spent::lines(&self.outcomes())
    }

    /// All results so far, with their findings.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.fold().results().cloned().collect()
    }

    /// Nothing may be written to the record while the fold is held: it takes every event.
    fn fold(&self) -> MutexGuard<'_, Fold<()>> {
        locked(&self.fold)
    }

    /// The disk of the run's folder.
    pub fn disk(&self) -> &Disk {
        self.record.disk()
    }

    /// Closes the record and writes the reports.
    ///
    /// # Errors
    ///
    /// A line of the record could not be written at any time, or a report cannot be written.
    pub fn close(&self, also: Option<&Path>) -> Result<()> {
        self.end();
        // Reports come after it: of a disk that hangs they ask nothing more.
        let complete = self.record.complete().attempting(|| "write the record of the run".to_owned());
        let reported = self.report(also);
        if let (Err(_), Err(failure)) = (&complete, &reported) {
            terminal::say(&format!("multivm: {failure}"));
        }
        complete.and(reported)
    }

    /// Writes the last line of the record.
    fn end(&self) {
        let count = |verdict: Verdict| self.fold().count(verdict) as u32;
        self.write(&Event::RunFinished(RunEnd {
            passed: count(Verdict::Passed),
            failed: count(Verdict::Failed),
            ignored: count(Verdict::Ignored),
            errors: count(Verdict::Error),
            duration_s: self.begin.elapsed().as_secs_f64(),
        }));
    }

    /// Writes the JUnit reports and the HTML report.
    fn report(&self, also: Option<&Path>) -> Result<()> {
        let results = Results { header: self.header(), outcomes: self.outcomes(), lost: self.record.lost() };
        // One that cannot be written, as on a full disk, keeps none of the others from their places.
        let folders = write_junit(self.disk(), self.folder.junit_path(), results.clone());
        let others = also.map_or(Ok(()), |path| self.report_beside(path, results));
        let (folder, path) = (self.folder.path().to_owned(), self.folder.html_path());
        let later = format!("multivm report {}", folder.display());
        let page = self.disk().report(MAKE_PAGE, move || {
            html::write_from_record(&folder, &path).attempting(|| MAKE_PAGE.to_owned())
        });
        folders.and(others).and(page.map_err(|failure| failure.try_next(later)))
    }

    /// Writes the additional JUnit file, which may lie on a disk that answers where the run's own hangs.
    fn report_beside(&self, path: &Path, mut results: Results) -> Result<()> {
        let here = Path::new("");
        let folder = path.parent().filter(|folder| *folder != here).unwrap_or(Path::new(".")).to_owned();
        let disk = Disk::of(&folder);
        let attempted = format!("make the folder {}", folder.display());
        disk.within(&attempted.clone(), move || fs::create_dir_all(folder).attempting(|| attempted))?;
        if let Some(group) = self.group.clone() {
            // The processes of a group share one file, and each writes it with all results so far.
            let attempted = format!("read the records in {}", group.display());
            let read = move || results_from_record(&group).attempting(|| attempted);
            results = self.disk().report("report as JUnit", read)?;
        } else if self.disk().hang().is_some() {
            // The report would list their files.
            results.outcomes.iter_mut().for_each(|outcome| outcome.evidence = None);
        }
        write_junit(&disk, path.to_owned(), results)
    }
}

fn write_junit(disk: &Disk, path: PathBuf, results: Results) -> Result<()> {
    let attempted = || "report as JUnit".to_owned();
    disk.report(&attempted(), move || junit::write(&path, &results).attempting(attempted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_cannot_be_written_keeps_no_other_from_its_place() {
        let place = tempfile::tempdir().unwrap();
        let run = Run::create(&place.path().join("results"), None, None, Some(0), None, None).unwrap();
        fs::create_dir(run.folder.junit_path()).unwrap();
        let beside = place.path().join("ci/junit.xml");
        let failure = run.close(Some(&beside)).unwrap_err().to_string();
        assert!(failure.contains("junit.xml") && failure.matches("cannot").count() <= 2, "{failure}");
        assert!(beside.is_file() && run.folder.html_path().is_file());
    }

    #[test]
    fn a_run_with_a_lost_line_does_not_end_well() {
        let place = tempfile::tempdir().unwrap();
        let create = || Run::create(&place.path().join("results"), None, None, Some(0), None, None).unwrap();
        create().close(None).expect("no line is lost");

        let run = create();
        let full = fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
        let file = run.record.write_to(full);
        run.write(&Event::Repair { part: RepairedPart::Guest, what: "w".into(), why: "y".into() });
        run.record.write_to(file);
        let failure = run.close(None).unwrap_err().to_string();
        assert!(failure.contains("1 of its lines are missing (1 repair)"), "{failure}");
        assert!(run.folder.junit_path().is_file() && run.folder.html_path().is_file());
    }
}
