//! The lines of a record on their way into its file. A thread of its own appends them, so that nobody else waits for a disk that hangs.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::lost::add_lost;
use super::{Envelope, Event, LostLines, ReportError, line};
use crate::sys::disk::Disk;
use crate::sys::halt::ran_since;
use crate::sys::parallel::locked;

/// Of the patience for a disk, one part in so many is how long whoever writes a line waits until the line is in the file. From then
/// on lines wait by themselves.
const LINE_WAIT: u32 = 5;

/// How often whoever waits looks at the disk.
const LOOK: Duration = Duration::from_millis(50);

/// The most bytes of lines that wait for a disk that hangs: a fleet of three writes some MiB in a scenario.
const MOST: usize = 64 << 20;

/// What the thread does with the file.
const APPEND: &str = "append to the record";

/// The lines of one record. The thread appends what is left, and ends, when this is dropped.
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    path: PathBuf,
    disk: Disk,
    /// Only the thread writes.
    file: Mutex<FileEnd>,
    queue: Mutex<Queue>,
    /// A line has come, or no more will.
    changed: Condvar,
}

/// The end of the file.
struct FileEnd {
    file: File,
    /// The length of the file up to the end of the last complete line.
    whole: u64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<QueuedLine>,
    /// The length of their texts.
    bytes: usize,
    /// Since when the first of them is being written.
    writing: Option<Instant>,
    lost: Lost,
    is_closed: bool,
    /// Set when nobody waits for the disk any more: nothing is written from then on.
    given_up: bool,
}

/// The lines that could not be written.
#[derive(Default)]
struct Lost {
    all: Option<LostLines>,
    /// Lost lines that the record does not mention yet.
    unsaid: Option<LostLines>,
}

impl Lost {
    fn add(&mut self, line: &LostLines) {
        add_lost(&mut self.all, line);
        add_lost(&mut self.unsaid, line);
    }
}

struct QueuedLine {
    /// The name of its event.
    event: &'static str,
    t_ms: u64,
    /// Empty for a question whether all lines before it are in the file.
    text: String,
    bytes: usize,
    told: Sender<Result<(), ReportError>>,
}

impl Lines {
    /// Starts the thread for the file at `path`, which is empty.
    pub(super) fn of(path: PathBuf, file: File, disk: &Disk) -> io::Result<Lines> {
        let shared = Arc::new(Shared {
            path,
            disk: disk.clone(),
            file: Mutex::new(FileEnd { file, whole: 0 }),
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("record".to_owned()).spawn(move || writer.write_all())?;
        Ok(Lines(shared))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.0.disk
    }

    /// Appends the line of an event, with the head that `now` gives, and waits until it is in the file, or waits for a disk that is
    /// late.
    pub(super) fn append(&self, event: &Event, now: impl Fn() -> Envelope) -> Result<(), ReportError> {
        let answer = {
            // Under the lock, so that the lines of all threads are in the order of their times.
            let mut queue = locked(&self.0.queue);
            let now = now();
            let text = line::text(&now, event).map_err(ReportError::encode(event, &self.0.path));
            let put = text.and_then(|text| self.put(&mut queue, event.name(), now.t_ms, text));
            put.inspect_err(|error| {
                queue.lost.add(&LostLines::one(event.name(), now.t_ms, error.to_string()))
            })?
        };
        self.answered(&answer).unwrap_or(Ok(()))
    }

    /// What could not be written so far.
    pub(super) fn lost(&self) -> Option<LostLines> {
        locked(&self.0.queue).lost.all.clone()
    }

    /// Waits until every line is in the file, with one that says what is missing if something is. If the disk hangs, the lines that
    /// wait are lost.
    pub(super) fn complete(&self, t_ms: u64) {
        let answer = {
            let mut queue = locked(&self.0.queue);
            self.put(&mut queue, "", t_ms, String::new())
        };
        let Ok(answer) = answer else { return };
        while self.answered(&answer).is_none() {
            if let Some(why) = self.0.disk.hang() {
                return self.give_up(&why.text);
            }
        }
    }

    /// Switches to another file, such as `/dev/full`, and returns the one before.
    #[cfg(test)]
    pub(super) fn write_to(&self, file: File) -> File {
        std::mem::replace(&mut locked(&self.0.file).file, file)
    }

    fn put(
        &self,
        queue: &mut Queue,
        event: &'static str,
        t_ms: u64,
        text: String,
    ) -> Result<Receiver<Result<(), ReportError>>, ReportError> {
        if queue.given_up || queue.bytes + text.len() > MOST {
            let why = self.0.disk.hang().map_or_else(|| "the disk hung".to_owned(), |why| why.text);
            return Err(self.0.hung(&why));
        }
        let (told, answer) = channel();
        let bytes = text.len();
        queue.bytes += bytes;
        queue.waiting.push_back(QueuedLine { event, t_ms, text, bytes, told });
        self.0.changed.notify_all();
        Ok(answer)
    }

    /// What came of a line; none of one that waits for a disk that is late.
    fn answered(&self, answer: &Receiver<Result<(), ReportError>>) -> Option<Result<(), ReportError>> {
        let patience = self.0.disk.patience().limit / LINE_WAIT;
        loop {
            let writing = locked(&self.0.queue).writing;
            let is_late = writing.is_some_and(|since| ran_since(since) >= patience);
            match answer.recv_timeout(if is_late { Duration::ZERO } else { LOOK }) {
                Ok(result) => return Some(result),
                // The thread has panicked.
                Err(RecvTimeoutError::Disconnected) => return Some(Err(self.0.gone())),
                Err(RecvTimeoutError::Timeout) if is_late => {
                    // It tells people once the disk hangs.
                    let _ = self.0.disk.hang();
                    return None;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn give_up(&self, why: &str) {
        let mut queue = locked(&self.0.queue);
        queue.given_up = true;
        queue.bytes = 0;
        for line in std::mem::take(&mut queue.waiting) {
            if !line.event.is_empty() {
                queue.lost.add(&LostLines::one(line.event, line.t_ms, why.to_owned()));
            }
            let _ = line.told.send(Err(self.0.hung(why)));
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        locked(&self.0.queue).is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// Appends the lines as they come, until there will be no more.
    fn write_all(&self) {
        while let Some((t_ms, text)) = self.next() {
            let call = self.disk.begin(APPEND);
            let written = self.say_lost(t_ms).and_then(|()| self.append(&text));
            drop(call);
            self.done(written);
        }
    }

    /// Waits for the first line, which stays in the queue until it is written.
    fn next(&self) -> Option<(u64, String)> {
        let queue = locked(&self.queue);
        let is_idle = |queue: &mut Queue| queue.waiting.is_empty() && !queue.is_closed;
        let mut queue: MutexGuard<'_, Queue> =
            self.changed.wait_while(queue, is_idle).unwrap_or_else(PoisonError::into_inner);
        let first = queue.waiting.front_mut()?;
        let next = (first.t_ms, std::mem::take(&mut first.text));
        queue.writing = Some(Instant::now());
        Some(next)
    }

    fn done(&self, written: Result<(), ReportError>) {
        let mut queue = locked(&self.queue);
        queue.writing = None;
        // After everybody has given up, this line counts as lost, too.
        let Some(line) = queue.waiting.pop_front() else { return };
        if let (Err(error), false) = (&written, line.event.is_empty()) {
            queue.lost.add(&LostLines::one(line.event, line.t_ms, error.to_string()));
        }
        queue.bytes -= line.bytes;
        // Whoever wrote it may have gone on.
        let _ = line.told.send(written);
    }

    /// Writes which lines are missing, if no line says so yet: before the line of the moment `t_ms`, which must be later.
    fn say_lost(&self, t_ms: u64) -> Result<(), ReportError> {
        let unsaid = {
            let mut queue = locked(&self.queue);
            queue.lost.unsaid.take_if(|lost| lost.from_t_ms <= t_ms)
        };
        let Some(lost) = unsaid else { return Ok(()) };
        let event = Event::LinesLost(lost.clone());
        // Of the head only a first line shows more than this.
        let head = Envelope { at: std::time::SystemTime::UNIX_EPOCH, t_ms };
        let text = line::text(&head, &event).map_err(ReportError::encode(&event, &self.path));
        text.and_then(|text| self.append(&text)).inspect_err(|_| {
            let later = locked(&self.queue).lost.unsaid.replace(lost);
            if let Some(later) = later {
                add_lost(&mut locked(&self.queue).lost.unsaid, &later);
            }
        })
    }

    fn append(&self, text: &str) -> Result<(), ReportError> {
        let mut tail = locked(&self.file);
        match tail.file.write_all(text.as_bytes()) {
            Ok(()) => {
                tail.whole += text.len() as u64;
                Ok(())
            }
            Err(source) => {
                // A full disk may have taken a part of the line, to which the next one would be glued.
                let whole = tail.whole;
                let _ = tail.file.set_len(whole);
                Err(ReportError::io(APPEND, &self.path)(source))
            }
        }
    }

    fn gone(&self) -> ReportError {
        ReportError::io(APPEND, &self.path)(io::Error::other("the thread that writes it is gone"))
    }

    fn hung(&self, why: &str) -> ReportError {
        ReportError::io(APPEND, &self.path)(io::Error::new(io::ErrorKind::TimedOut, why))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, PipeReader};
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::record::{Record, RepairedPart, RunHeader};
    use crate::sys::disk::Patience;

    /// More than a pipe holds that nobody reads.
    fn long() -> Event {
        let why = "y".repeat(200_000);
        Event::Repair { part: RepairedPart::Guest, what: "w".into(), why }
    }

    fn short(scenario: &str) -> Event {
        Event::ScenarioStarted { scenario: scenario.into(), ignored: false }
    }

    /// A record whose file is a pipe, and its reader.
    fn piped(folder: &Path, limit: Duration) -> (Record, PipeReader) {
        let patience = Patience { limit, interrupted: limit };
        let disk = Disk::with(folder, |_| (), patience);
        let record = Record::create_on(&disk, folder, RunHeader::default()).unwrap();
        let (reader, writer) = io::pipe().unwrap();
        record.write_to(File::from(OwnedFd::from(writer)));
        (record, reader)
    }

    #[test]
    fn lines_wait_for_a_disk_that_is_late_and_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (record, reader) = piped(folder.path(), Duration::from_secs(5));
        record.write(&long()).expect("nobody knows yet what comes of it");
        let begin = Instant::now();
        for number in 0..100 {
            record.write(&short(&number.to_string())).unwrap();
        }
        assert!(begin.elapsed() < Duration::from_secs(100), "one wait is enough for all");
        assert!(record.lost().is_none());
        let reading = thread::spawn(move || {
            let lines: Vec<String> = BufReader::new(reader).lines().take(101).map(Result::unwrap).collect();
            lines
        });
        let lines = reading.join().unwrap();
        record.complete().unwrap();
        assert!(lines[0].ends_with(r#"yyy"}"#), "the first one is whole");
        let is_next = |(number, line): (usize, &String)| line.ends_with(&format!("\"{number}\"}}"));
        assert!(lines[1..].iter().enumerate().all(is_next), "{lines:?}");
    }

    #[test]
    fn what_waits_for_a_disk_that_hangs_is_lost_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (record, reader) = piped(folder.path(), Duration::from_millis(100));
        record.write(&long()).unwrap();
        record.write(&short("a")).unwrap();
        let error = record.complete().unwrap_err().to_string();
        let place = folder.path().display();
        for words in [
            "2 of its lines are missing (1 repair, 1 scenario_started)",
            &format!("the disk of {place} has not answered for "),
        ] {
            assert!(error.contains(words), "{words} is not in: {error}");
        }
        record.write(&short("b")).expect_err("nobody waits for it any more");
        assert_eq!(record.lost().unwrap().count(), 3);
        // The thread ends with its call.
        drop(reader);
    }
}
