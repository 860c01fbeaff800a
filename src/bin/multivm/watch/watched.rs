//! A watched run: the contents of its record, and whether a process still writes it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use multivm::ledger::Owner;
use multivm::progress::lines::{self, RunStatus, StatusLine};
use multivm::progress::live::Live;
use multivm::progress::{Earlier, telling};
use multivm::record::{Event, Tail, WriterProcess};
use multivm::sys::terminal::ScreenSize;
use multivm::{progress, record};

use crate::problem::Problem;

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    Running,
    Finished,
    /// The record has no end of the run, and the process that wrote it is gone.
    CutOff,
}

/// What one look at the record has found that the look before had not.
#[derive(Debug, Default)]
pub struct NewLines {
    pub events: usize,
    /// A line for each event that matters.
    pub lines: Vec<String>,
    /// The lines that are about a failure, which `lines` has, too.
    pub failures: Vec<String>,
}

/// A run, as far as this process has read its record.
pub struct Watched {
    folder: PathBuf,
    tail: Tail,
    live: Live,
    earlier: Earlier,
    /// Creation of the record, by the wall clock.
    began: SystemTime,
    /// Lines about all failures so far.
    failures: Vec<String>,
}

impl Watched {
    /// Opens a run by its folder or its record; for a folder of several runs, as nextest leaves it, opens the newest.
    pub fn open(path: &Path) -> Result<Watched, Problem> {
        let newest = record::parts_of(path).pop();
        let record = Tail::open(newest.as_deref().unwrap_or(path)).map_err(Problem::input)?.path().to_owned();
        // `latest` may lead to another run in a moment.
        let record = record.canonicalize().unwrap_or(record);
        let tail = Tail::open(&record).map_err(Problem::input)?;
        let folder = record.parent().unwrap_or(Path::new("/")).to_owned();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let earlier = folder.parent().map(|results| progress::earlier(results, &name)).unwrap_or_default();
        Ok(Watched {
            folder,
            tail,
            live: Live::default(),
            earlier,
            began: SystemTime::now(),
            failures: Vec::new(),
        })
    }

    /// Reads the new part of the record.
    pub fn read(&mut self) -> Result<NewLines, Problem> {
        let events = self.tail.poll().map_err(Problem::input)?;
        let mut news = NewLines { events: events.len(), ..NewLines::default() };
        for (envelope, event) in &events {
            if let Event::RunStarted(_) = event {
                self.began = envelope.at;
            }
            self.live.apply(envelope, event);
            if let Some(line) = telling::line(&self.live, event) {
                if went_wrong(event) {
                    news.failures.push(line.clone());
                }
                news.lines.push(line);
            }
        }
        self.failures.extend(news.failures.iter().cloned());
        Ok(news)
    }

    /// Reads the new part of the record; of finished scenarios it keeps only the result.
    pub fn read_present(&mut self) -> Result<NewLines, Problem> {
        self.tail.present_only();
        self.read()
    }

    /// Lines about all failures so far.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    pub fn state(&self) -> RunState {
        if self.live.run.end.is_some() {
            return RunState::Finished;
        }
        match self.live.run.header.process {
            Some(WriterProcess { pid, start_ticks: start }) if (Owner { pid, start }).is_alive() => {
                RunState::Running
            }
            _ => RunState::CutOff,
        }
    }

    /// The picture of the whole present state.
    pub fn lines(&self, size: ScreenSize) -> Vec<StatusLine> {
        let running = self.state() == RunState::Running;
        let elapsed = self.began.elapsed().unwrap_or_default().as_secs_f64() * 1e3;
        let now_ms = if running { self.live.run.t_ms().max(elapsed) } else { self.live.run.t_ms() };
        let to_come = running.then(|| self.earlier.to_come(&self.live)).flatten();
        let left_s =
            to_come.and_then(|come| progress::seconds_left(&self.live, now_ms, &come, &self.earlier));
        lines::whole(&RunStatus { live: &self.live, now_ms, left_s }, size)
    }

    /// A summary of a run in a given state, with the place of its files; ends with a newline.
    pub fn conclusion(&self, state: RunState) -> String {
        let folder = self.folder.display();
        match state {
            RunState::Running => "The run goes on; without --once this follows it.\n".to_owned(),
            RunState::Finished => {
                let unproved = self.live.run.unproved().map(|why| format!("{why}\n")).unwrap_or_default();
                format!("{unproved}Record, JUnit and evidence are in {folder}\n")
            }
            RunState::CutOff => {
                let process = self
                    .live
                    .run
                    .header
                    .process
                    .map(|process| format!(" {}", process.pid))
                    .unwrap_or_default();
                let last = self.began + Duration::from_secs_f64(self.live.run.t_ms() / 1e3);
                let ago = last.elapsed().unwrap_or_default().as_secs_f64();
                format!(
                    "The run was cut off: its record has no end, and its process{process} is not on this machine (any \
                     more). The last event is {} old.\nmultivm reap clears what it left. The record and evidence are in \
                     {folder}\n",
                    lines::clock(ago)
                )
            }
        }
    }

    pub fn exit_code(&self, state: RunState) -> ExitCode {
        let proved = !self.live.has_failures() && self.live.run.unproved().is_none();
        let good = state == RunState::Finished && proved;
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Whether an event is worth a line that stays on the screen.
fn went_wrong(event: &Event) -> bool {
    match event {
        Event::ScenarioFinished(outcome) => !outcome.verdict.is_good(),
        Event::Repair { .. }
        | Event::GuestPanicked { .. }
        | Event::LinesLost(_)
        | Event::HarnessHalted { .. } => true,
        _ => false,
    }
}
