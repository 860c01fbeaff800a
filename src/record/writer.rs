//! Writes the record of a run: JSON Lines, appended as things happen.

use std::fmt;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Instant, SystemTime};

use super::queue::Lines;
use super::{Envelope, Event, LostLines, ReportError, RunHeader};
use crate::sys::disk::Disk;
use crate::sys::parallel::locked;

type Sink = dyn Fn(&Event) + Send + Sync;

/// Name of the record in the folder of a run.
pub const FILE_NAME: &str = "record.jsonl";

/// The open record of a run. Clones write to its file, which is closed with the last of them.
#[derive(Clone)]
pub struct Record {
    inner: Arc<SharedRecord>,
    /// Set when the play is over that this clone belongs to.
    over: Arc<AtomicBool>,
}

struct SharedRecord {
    start: Instant,
    lines: Lines,
    sinks: Mutex<Vec<Weak<Sink>>>,
}

impl Record {
    /// Creates `record.jsonl` in `folder`, which must exist, and writes `header` to it as [`Event::RunStarted`].
    ///
    /// # Errors
    /// When the file is there already, since a record is never overwritten, or cannot be created or written.
    pub fn create(folder: &Path, header: RunHeader) -> Result<Record, ReportError> {
        Record::create_on(&Disk::of(folder), folder, header)
    }

    /// Creates `record.jsonl` in `folder`, on a disk that others use, too. Its creation may wait for a disk that hangs; from then on
    /// nobody does.
    ///
    /// # Errors
    /// When the file is there already, since a record is never overwritten, or cannot be created or written.
    pub fn create_on(disk: &Disk, folder: &Path, header: RunHeader) -> Result<Record, ReportError> {
        let path = folder.join(FILE_NAME);
        // Append mode: another process that writes to the file by mistake cannot make us overwrite a line.
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(ReportError::io("create the record", &path))?;
        let lines = Lines::of(path.clone(), file, disk)
            .map_err(ReportError::io("start the thread that writes the record", &path))?;
        let record = Record {
            inner: Arc::new(SharedRecord { start: Instant::now(), lines, sinks: Mutex::new(Vec::new()) }),
            over: Arc::default(),
        };
        record.write(&Event::RunStarted(header))?;
        Ok(record)
    }

    /// A clone for one play, which writes nothing any more once `over` is set: the lines are another play's then.
    pub fn until(&self, over: &Arc<AtomicBool>) -> Record {
        Record { inner: Arc::clone(&self.inner), over: Arc::clone(over) }
    }

    /// The record's path.
    pub fn path(&self) -> &Path {
        self.inner.lines.path()
    }

    /// The disk of the record, and of all that a run writes beside it.
    pub fn disk(&self) -> &Disk {
        self.inner.lines.disk()
    }

    /// A moment on the clock of `t_ms`, with its fraction; 0 for a moment before the record.
    pub fn t_ms(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.inner.start).as_secs_f64() * 1e3
    }

    /// Switches to another file, such as `/dev/full`, and returns the one before.
    #[cfg(test)]
    pub(crate) fn write_to(&self, file: std::fs::File) -> std::fs::File {
        self.inner.lines.write_to(file)
    }

    /// The head of a line that is written now.
    pub fn now(&self) -> Envelope {
        let t_ms = u64::try_from(self.inner.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Envelope { at: SystemTime::now(), t_ms }
    }

    /// Appends one line, and then tells the observers, in the thread of the caller.
    ///
    /// The line goes to the kernel in one call before this returns: killing multivm loses nothing of it. It is not
    /// synced to the disk; a power loss may take the last seconds. Only while the disk is late by seconds, lines wait
    /// in memory, in their order, and this returns without an error: [`Record::complete`] knows what came of them.
    ///
    /// # Errors
    /// When the line could not be written, of which then nothing stays in the file. Observers get the event all the same,
    /// the next line that can be written follows on an [`Event::LinesLost`], and [`Record::complete`] fails from then on: a
    /// caller that must go on may leave it at that.
    pub fn write(&self, event: &Event) -> Result<(), ReportError> {
        if self.over.load(Ordering::SeqCst) {
            return Ok(());
        }
        let written = self.inner.lines.append(event, || self.now());
        for sink in self.sinks() {
            sink(event);
        }
        written
    }

    /// Calls `sink` with every event written from now on, until the returned value is dropped.
    ///
    /// The sink runs in whichever thread writes, between that thread's work: it should hand over and return. It may
    /// write to the record, observe, and end observations.
    pub fn observe(&self, sink: impl Fn(&Event) + Send + Sync + 'static) -> ObserverGuard {
        let sink: Arc<Sink> = Arc::new(sink);
        locked(&self.inner.sinks).push(Arc::downgrade(&sink));
        ObserverGuard { _sink: sink }
    }

    /// What could not be written so far.
    pub fn lost(&self) -> Option<LostLines> {
        self.inner.lines.lost()
    }

    /// Whether every line is in the file. What is missing is in the file afterwards if it can be written. Nobody can write after this
    /// found a disk that hangs.
    ///
    /// # Errors
    /// When a line could not be written at any time, whatever happened since.
    pub fn complete(&self) -> Result<(), ReportError> {
        self.inner.lines.complete(self.now().t_ms);
        let path = self.path().to_path_buf();
        self.lost().map_or(Ok(()), |lost| Err(ReportError::Lost { path, lost }))
    }

    /// The observers that are still there, collected so that no lock is held while they run.
    fn sinks(&self) -> Vec<Arc<Sink>> {
        let mut sinks = locked(&self.inner.sinks);
        sinks.retain(|sink| sink.strong_count() > 0);
        sinks.iter().filter_map(Weak::upgrade).collect()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// Keeps an observer of a [`Record`] subscribed; dropping it ends that.
#[must_use = "the observer is told nothing once this is dropped"]
pub struct ObserverGuard {
    _sink: Arc<Sink>,
}

impl fmt::Debug for ObserverGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverGuard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{RepairedPart, read};

    fn started(scenario: &str) -> Event {
        Event::ScenarioStarted { scenario: scenario.into(), ignored: false }
    }

    fn create(folder: &Path) -> Record {
        Record::create(folder, RunHeader::new("r1", ["multivm".to_string()])).unwrap()
    }

    #[test]
    fn a_line_begins_with_the_envelope() {
        let folder = tempfile::tempdir().unwrap();
        let record = create(folder.path());
        record.write(&started("a{}::b")).unwrap();
        let text = std::fs::read_to_string(record.path()).unwrap();
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with(r#"{"t_ms":"#), "{line}");
        assert!(
            text.starts_with(r#"{"v":2,"at":"2"#) && text.contains(r#","t_ms":0,"event":"run_started""#),
            "{text}"
        );
        assert!(line.ends_with(r#","event":"scenario_started","scenario":"a{}::b"}"#), "{line}");
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn threads_write_whole_lines_in_the_order_of_their_times() {
        let folder = tempfile::tempdir().unwrap();
        let record = create(folder.path());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let record = record.clone();
                scope.spawn(move || {
                    for number in 0..100 {
                        record.write(&started(&format!("{thread} {number}"))).unwrap();
                    }
                });
            }
        });
        let events = read(record.path()).unwrap();
        assert_eq!(events.len(), 401);
        assert!(events.windows(2).all(|pair| pair[0].0.t_ms <= pair[1].0.t_ms));
    }

    #[test]
    fn a_record_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        create(folder.path());
        let error = Record::create(folder.path(), RunHeader::default()).unwrap_err().to_string();
        assert!(error.starts_with("cannot create the record ") && error.contains(FILE_NAME), "{error}");
    }

    #[test]
    fn an_observer_may_write_and_ends_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let record = create(folder.path());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let observation = record.observe({
            let (seen, record) = (seen.clone(), record.clone());
            move |event| {
                seen.lock().unwrap().push(event.name());
                if matches!(event, Event::ScenarioStarted { .. }) {
                    record
                        .write(&Event::Repair {
                            part: RepairedPart::Guest,
                            what: "w".into(),
                            why: "y".into(),
                        })
                        .unwrap();
                }
            }
        });
        record.write(&started("a")).unwrap();
        drop(observation);
        record.write(&started("b")).unwrap();
        assert_eq!(*seen.lock().unwrap(), ["scenario_started", "repair"]);
        assert_eq!(read(record.path()).unwrap().len(), 4);
    }

    #[test]
    fn a_full_disk_is_an_error_and_the_observers_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let record = create(folder.path());
        record.write_to(OpenOptions::new().append(true).open("/dev/full").unwrap());
        let told = Arc::new(Mutex::new(0));
        let observation = record.observe({
            let told = told.clone();
            move |_| *told.lock().unwrap() += 1
        });
        let error = record.write(&started("a")).unwrap_err().to_string();
        assert!(error.contains("append to the record ") && error.contains("remove old runs"), "{error}");
        drop(observation);
        assert_eq!(*told.lock().unwrap(), 1);
    }

    #[test]
    fn a_line_that_was_lost_is_said_although_the_next_ones_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let record = create(folder.path());
        let good = record.write_to(OpenOptions::new().append(true).open("/dev/full").unwrap());
        record.write(&started("a")).unwrap_err();
        record
            .write(&Event::Repair { part: RepairedPart::Guest, what: "w".into(), why: "y".into() })
            .unwrap_err();
        record.write_to(good);
        record.write(&started("b")).unwrap();
        record.write(&started("c")).unwrap();
        let events: Vec<Event> = read(record.path()).unwrap().into_iter().map(|(_, event)| event).collect();
        let Event::LinesLost(lost) = &events[1] else { panic!("{:?}", events[1]) };
        assert_eq!(events[2..], [started("b"), started("c")], "it is said once");
        assert_eq!(Some(lost), record.lost().as_ref());
        assert_eq!((lost.count(), lost.lines["repair"]), (2, 1));
        let error = record.complete().unwrap_err().to_string();
        let expected = "2 of its lines are missing (1 repair, 1 scenario_started), due 0.";
        assert!(error.contains(expected) && error.contains("remove old runs"), "{error}");
    }

    #[test]
    fn lines_that_are_lost_at_the_end_are_said_by_the_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let record = create(folder.path());
        let good = record.write_to(OpenOptions::new().append(true).open("/dev/full").unwrap());
        record.write(&started("a")).unwrap_err();
        record.complete().unwrap_err();
        record.write_to(good);
        for _ in 0..2 {
            record.complete().unwrap_err();
        }
        let names: Vec<&str> = read(record.path()).unwrap().iter().map(|(_, event)| event.name()).collect();
        assert_eq!(names, ["run_started", "lines_lost"]);
    }

    #[test]
    fn a_record_with_all_lines_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let record = create(folder.path());
        record.write(&started("a")).unwrap();
        record.complete().unwrap();
    }
}
