//! A file system that may hang, as an NFS mount does whose server is gone: whoever reads or writes there stops waiting.
//!
//! A call that hangs keeps its thread. As long as one does, no other call is begun on that disk: it would hang as well, and everybody
//! would wait for it once more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::bounded::{Ending, attend};
use super::parallel::locked;
use super::stop::StopFlag;
use super::{halt, interrupt, terminal};
use crate::failure::{Cause, Failure, FailureKind, Result};

/// How long one waits for a disk.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub limit: Duration,
    /// The limit after an interruption of the run, from which on everything must end soon.
    pub interrupted: Duration,
}

impl Patience {
    /// For a few short calls. A disk that others keep busy may need some seconds for them.
    pub const CALLS: Patience =
        Patience { limit: Duration::from_secs(10), interrupted: Duration::from_secs(3) };

    /// For a report: making it takes time, too.
    pub const REPORT: Patience =
        Patience { limit: Duration::from_secs(600), interrupted: Duration::from_secs(10) };

    /// When one who began to wait at `since` stops waiting. Time in which this process was halted is added by whoever waits.
    fn deadline(&self, since: Instant) -> Instant {
        let deadline = since + self.limit;
        interrupt::at().map_or(deadline, |at| deadline.min(at.max(since) + self.interrupted))
    }
}

/// The file system of a folder. Clones share what is known of it.
#[derive(Debug, Clone)]
pub struct Disk(Arc<SharedDisk>);

#[derive(Debug)]
struct SharedDisk {
    place: PathBuf,
    /// Tells people that it hangs, and that it does no more.
    say: fn(&str),
    /// For calls that are no reports.
    patience: Patience,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    begun: u64,
    under_way: BTreeMap<u64, DiskCall>,
    /// Since when it hangs, as people were told.
    told: Option<Instant>,
}

#[derive(Debug)]
struct DiskCall {
    what: String,
    since: Instant,
    patience: Patience,
}

impl DiskCall {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.patience.deadline(self.since) + halt::within(self.since, now)
    }
}

/// A call that is under way until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    disk: Disk,
    number: u64,
}

/// All disks that somebody uses.
static DISKS: Mutex<Vec<Weak<SharedDisk>>> = Mutex::new(Vec::new());

fn known() -> Vec<Disk> {
    locked(&DISKS).iter().filter_map(Weak::upgrade).map(Disk).collect()
}

/// The folders whose disks hang at present.
pub fn hanging() -> Vec<PathBuf> {
    known().iter().filter(|disk| disk.hang().is_some()).map(|disk| disk.0.place.clone()).collect()
}

impl Disk {
    /// The disk of a folder, which need not exist. People are told that it hangs, and that it answers again. A folder in which
    /// something hangs already, or in one above it, has that one's disk.
    pub fn of(place: &Path) -> Disk {
        let hangs = |disk: &Disk| place.starts_with(&disk.0.place) && disk.hang().is_some();
        known().into_iter().find(hangs).unwrap_or_else(|| Disk::with(place, terminal::say, Patience::CALLS))
    }

    /// The disk of a folder, with a patience of its own for calls.
    pub fn with(place: &Path, say: fn(&str), patience: Patience) -> Disk {
        let disk = Arc::new(SharedDisk { place: place.to_owned(), say, patience, calls: Mutex::default() });
        let mut disks = locked(&DISKS);
        disks.retain(|disk| disk.strong_count() > 0);
        disks.push(Arc::downgrade(&disk));
        Disk(disk)
    }

    /// How long one waits for a call.
    pub fn patience(&self) -> Patience {
        self.0.patience
    }

    /// Does a few calls that read or write there, in a thread of its own, which is left alone if it takes longer than the patience for it.
    ///
    /// # Errors
    ///
    /// The work fails, or the disk hangs: then the kind is [`FailureKind::TimedOut`].
    pub fn within<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.wait(what, self.patience(), work)
    }

    /// Makes a report there, in a thread of its own, which is left alone if it takes longer than the patience for reports.
    ///
    /// # Errors
    ///
    /// The work fails, or the disk hangs: then the kind is [`FailureKind::TimedOut`].
    pub fn report<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.wait(what, Patience::REPORT, work)
    }

    fn wait<T: Send + 'static>(
        &self,
        what: &str,
        patience: Patience,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if let Some(hang) = self.hang() {
            return Err(hung(what, hang));
        }
        let call = self.begin_with(what, patience);
        let since = Instant::now();
        let work = move || {
            let done = work();
            drop(call);
            done
        };
        match attend("disk", &StopFlag::new(), Duration::ZERO, || Some(patience.deadline(since)), work) {
            Ok(Ending::Done(result)) => result,
            Ok(Ending::Panicked(words)) => Err(Failure::new(what, format!("it panicked: {words}"))),
            // An answer may come between the end of patience and this question.
            Ok(Ending::Left(_)) => Err(hung(what, self.hang().unwrap_or_else(|| self.silence(what, since)))),
            Err(error) => Err(Failure::new(what, error)),
        }
    }

    /// Notes a call that the caller makes itself.
    pub fn begin(&self, what: &str) -> UnderWay {
        self.begin_with(what, self.patience())
    }

    fn begin_with(&self, what: &str, patience: Patience) -> UnderWay {
        let mut calls = locked(&self.0.calls);
        calls.begun += 1;
        let number = calls.begun;
        calls.under_way.insert(number, DiskCall { what: what.to_owned(), since: Instant::now(), patience });
        UnderWay { disk: self.clone(), number }
    }

    /// Why no call should be begun: one that is under way has had no answer for longer than its patience. People are told once.
    pub fn hang(&self) -> Option<Cause> {
        let now = Instant::now();
        let (cause, is_news) = {
            let mut calls = locked(&self.0.calls);
            let call = calls.under_way.values().find(|call| call.is_over(now))?;
            let (since, cause) = (call.since, self.silence(&call.what, call.since));
            let is_news = calls.told.is_none();
            calls.told.get_or_insert(since);
            (cause, is_news)
        };
        if is_news {
            (self.0.say)(&format!("\nmultivm: warning: {cause}; what is due there waits, or is lost"));
        }
        Some(cause)
    }

    fn silence(&self, what: &str, since: Instant) -> Cause {
        let (place, seconds) = (self.0.place.display(), since.elapsed().as_secs());
        Cause::new(
            FailureKind::TimedOut,
            format!("the disk of {place} has not answered for {seconds} s ({what})"),
        )
    }
}

fn hung(what: &str, hang: Cause) -> Failure {
    Failure::new(what, hang)
        .try_next("see what that file system waits for, or choose a folder on another one")
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let disk = &self.disk.0;
        let told = {
            let mut calls = locked(&disk.calls);
            calls.under_way.remove(&self.number);
            let now = Instant::now();
            let hangs = calls.under_way.values().any(|call| call.is_over(now));
            if hangs { None } else { calls.told.take() }
        };
        if let Some(since) = told {
            let (place, seconds) = (disk.place.display(), since.elapsed().as_secs_f64());
            (disk.say)(&format!("\nmultivm: the disk of {place} answers again, after {seconds:.0} s"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::sys::wait::{Poll, wait_for};

    const SHORT: Patience =
        Patience { limit: Duration::from_millis(50), interrupted: Duration::from_millis(50) };

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn note(text: &str) {
        locked(&SAID).push(text.trim().to_owned());
    }

    /// What was said of the disk of a folder.
    fn said_of(place: &str) -> Vec<String> {
        let about = format!("the disk of {place} ");
        locked(&SAID).iter().filter(|text| text.contains(&about)).cloned().collect()
    }

    #[test]
    fn what_a_disk_answers_is_the_answer() {
        let disk = Disk::with(Path::new("/answers"), note, SHORT);
        assert_eq!(disk.within("read", || Ok(3)), Ok(3));
        let refused = disk.within("read", || -> Result<()> { Err(Failure::new("read", "no")) });
        assert_eq!(refused.unwrap_err().to_string(), "cannot read: no");
        let panicked = disk.within("read", || -> Result<()> { panic!("out of cheese") });
        assert!(panicked.unwrap_err().to_string().contains("out of cheese"));
        assert!(disk.hang().is_none() && said_of("/answers").is_empty());
    }

    #[test]
    fn nobody_waits_for_a_disk_that_hangs_and_nothing_more_is_asked_of_it() {
        let disk = Disk::with(Path::new("/hangs"), note, SHORT);
        let (release, held) = channel::<()>();
        let begin = Instant::now();
        let hangs = disk.within("write a", move || {
            let _ = held.recv();
            Ok(())
        });
        let failure = hangs.unwrap_err();
        assert!(begin.elapsed() >= SHORT.limit);
        assert_eq!(failure.kind(), FailureKind::TimedOut);
        assert!(
            failure.to_string().contains("the disk of /hangs has not answered for 0 s (write a)"),
            "{failure}"
        );
        let next = disk.report("write b", || -> Result<()> { unreachable!("it hangs") });
        assert!(next.unwrap_err().to_string().starts_with("cannot write b: the disk of /hangs "));
        assert!(hanging().contains(&PathBuf::from("/hangs")));
        let below =
            Disk::of(Path::new("/hangs/below")).within("write c", || -> Result<()> { unreachable!() });
        assert!(below.unwrap_err().to_string().contains("the disk of /hangs "));
        assert_eq!(said_of("/hangs").len(), 1, "it is said once: {:?}", said_of("/hangs"));

        release.send(()).unwrap();
        let answers = || match said_of("/hangs") {
            said if said.iter().any(|text| text.contains("answers again")) => Poll::Ready(()),
            said => Poll::NotYet(said.join("; ")),
        };
        wait_for("its answer", Duration::from_secs(60), &StopFlag::new(), answers).unwrap();
        assert_eq!(disk.within("write b", || Ok(3)), Ok(3));
        assert!(!hanging().contains(&PathBuf::from("/hangs")));
    }

    #[test]
    fn who_asks_a_disk_itself_is_known_as_well() {
        let disk = Disk::with(Path::new("/asked"), note, Patience { limit: Duration::ZERO, ..SHORT });
        let call = disk.begin("append");
        assert!(disk.hang().unwrap().text.contains("(append)"));
        drop(call);
        assert!(disk.hang().is_none());
    }
}
