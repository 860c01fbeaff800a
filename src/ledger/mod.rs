//! What was created and must be undone: written to disk before each creation, so that a run that was killed can
//! be cleared by the next one.
//!
//! The ledger is a file of JSON lines in the state directory. `entered` lines name a thing that is about to exist,
//! `struck` lines say that it is gone again, `kept` says that the owner left on purpose (`multivm lab up`), perhaps only
//! until some process ends. What is entered and not struck is outstanding; [`Ledger::undo_all`] undoes it, newest first.

mod files;
mod holder;
mod lock;
mod owner;
mod roots;
mod state;
mod thing;

pub use holder::Holder;
pub use lock::Lock;
pub use owner::Owner;
pub use roots::claim;
pub use state::{PAIRS, STATE_VARIABLE, state_directory};
pub use thing::{HostChanges, Thing};

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::failure::{Attempt, Failure, Result};

#[derive(Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case", deny_unknown_fields)]
enum LedgerLine {
    Owner { pid: u32, command: String },
    Entered { id: u64, thing: Thing },
    Struck { id: u64 },
    Kept(Kept),
}

/// A note that everything outstanding stays on purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The process whose lifetime bounds how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Owner>,
}

impl Kept {
    fn holds(&self) -> bool {
        self.until.as_ref().is_none_or(Owner::is_alive)
    }
}

/// Undoes the changes of another machine. What is wrong with it afterwards, although everything is undone, is an answer.
pub type Elsewhere = fn(&HostChanges) -> Result<Option<Failure>>;

/// The open ledger. Clones write to the same file.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<SharedLedger>);

#[derive(Debug)]
struct SharedLedger {
    directory: PathBuf,
    elsewhere: Elsewhere,
    file: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    /// The open file; none before the first line, and after the last thing was undone.
    file: Option<File>,
    next: u64,
    outstanding: BTreeMap<u64, Thing>,
    kept: Option<Kept>,
}

/// The content of a ledger, as [`Ledger::peek`] saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek {
    /// The things that are entered and not struck, oldest first.
    pub outstanding: Vec<Thing>,
    /// Whether the last owner left them on purpose.
    pub kept: bool,
    /// The process whose lifetime bounds how long.
    pub until: Option<Owner>,
}

impl Ledger {
    /// Opens the ledger of `directory`, creating both. The caller holds the [`Lock`].
    pub fn open(directory: &Path) -> Result<Ledger> {
        let nowhere: Elsewhere = |on_host| Thing::Host(on_host.clone()).undo(Path::new("")).map(|()| None);
        Ledger::open_with(directory, nowhere)
    }

    /// Opens the ledger of `directory`, which may have changes of other machines.
    ///
    /// # Errors
    ///
    /// The directory holds something that multivm did not make, or the ledger cannot be read or written.
    pub fn open_with(directory: &Path, elsewhere: Elsewhere) -> Result<Ledger> {
        state::make(directory)?;
        let (outstanding, kept) = read(&directory.join(files::LEDGER))?;
        let next = outstanding.keys().next_back().map_or(1, |last| last + 1);
        let ledger = Ledger(Arc::new(SharedLedger {
            directory: directory.to_owned(),
            elsewhere,
            file: Mutex::new(Book { file: None, next, outstanding, kept }),
        }));
        let file = ledger.0.begin()?;
        ledger.0.lock().file = Some(file);
        Ok(ledger)
    }

    /// Reads a ledger on disk without opening it for writing.
    pub fn peek(directory: &Path) -> Result<Peek> {
        let (outstanding, kept) = read(&directory.join(files::LEDGER))?;
        let kept = kept.filter(Kept::holds);
        Ok(Peek {
            outstanding: outstanding.into_values().collect(),
            kept: kept.is_some(),
            until: kept.and_then(|kept| kept.until),
        })
    }

    /// Enters a thing that is about to exist. The line is on disk when this returns.
    ///
    /// # Errors
    ///
    /// A thing of that name is there already and not in the ledger: somebody else's, which undoing the line would destroy.
    pub fn enter(&self, thing: Thing) -> Result<Entry> {
        let mut book = self.0.lock();
        if !book.outstanding.values().any(|known| *known == thing) {
            thing.refuse_if_taken()?;
        }
        let id = book.next;
        book.next += 1;
        book.kept = None;
        self.0.append(&mut book, &LedgerLine::Entered { id, thing: thing.clone() })?;
        book.outstanding.insert(id, thing);
        Ok(Entry(id))
    }

    /// Undoes one thing and strikes it.
    pub fn undo(&self, entry: Entry) -> Result<()> {
        let thing = self.0.lock().outstanding.get(&entry.0).cloned();
        let found = match &thing {
            Some(Thing::Host(on_host)) => (self.0.elsewhere)(on_host)?,
            Some(thing) => thing.undo(&self.0.directory).map(|()| None)?,
            None => return Ok(()),
        };
        self.strike(entry)?;
        found.map_or(Ok(()), Err)
    }

    /// Strikes a thing that has ended by itself.
    pub fn strike(&self, entry: Entry) -> Result<()> {
        let mut book = self.0.lock();
        if book.outstanding.remove(&entry.0).is_some() {
            self.0.append(&mut book, &LedgerLine::Struck { id: entry.0 })?;
        }
        Ok(())
    }

    /// Notes another way to machines that were changed, where `login` has one.
    pub fn renew(&self, login: impl Fn(&HostChanges) -> Option<serde_json::Value>) -> Result<()> {
        let mut book = self.0.lock();
        let renewed: Vec<(u64, Thing)> = book
            .outstanding
            .iter()
            .filter_map(|(id, thing)| {
                let Thing::Host(changes) = thing else { return None };
                let login = login(changes).filter(|login| *login != changes.login)?;
                Some((*id, Thing::Host(HostChanges { login, ..changes.clone() })))
            })
            .collect();
        let kept = book.kept.clone();
        for (id, thing) in renewed {
            self.0.append(&mut book, &LedgerLine::Entered { id, thing: thing.clone() })?;
            book.outstanding.insert(id, thing);
            if let Some(kept) = kept.clone() {
                self.0.append(&mut book, &LedgerLine::Kept(kept))?;
            }
        }
        Ok(())
    }

    /// Notes that everything outstanding stays on purpose after this process.
    pub fn keep(&self) -> Result<()> {
        self.write_kept(Kept { until: None })
    }

    /// Notes that everything outstanding stays on purpose while another process lives. Afterwards it counts as left behind.
    pub fn keep_until(&self, owner: &Owner) -> Result<()> {
        self.write_kept(Kept { until: Some(owner.clone()) })
    }

    fn write_kept(&self, kept: Kept) -> Result<()> {
        let mut book = self.0.lock();
        book.kept = Some(kept.clone());
        self.0.append(&mut book, &LedgerLine::Kept(kept))
    }

    /// Whether the last owner left its things on purpose, and the process lives that bounds their time.
    pub fn is_kept(&self) -> bool {
        self.0.lock().kept.as_ref().is_some_and(Kept::holds)
    }

    /// The process whose lifetime bounds how long things stay.
    pub fn kept_until(&self) -> Option<Owner> {
        self.0.lock().kept.as_ref().and_then(|kept| kept.until.clone())
    }

    pub fn outstanding(&self) -> Vec<Thing> {
        self.0.lock().outstanding.values().cloned().collect()
    }

    /// Undoes everything outstanding, newest first. It goes on past failures and returns them, and removes the file when
    /// nothing is left.
    pub fn undo_all(&self) -> Vec<Failure> {
        let failures = self.undo_all_but(|_| false);
        let mut book = self.0.lock();
        if book.outstanding.is_empty() {
            // Later entries go into a new file: a removed one could tell nobody.
            book.file = None;
            let _ = fs::remove_file(self.0.path());
        }
        failures
    }

    /// Undoes everything outstanding except the things that `stays` accepts, newest first.
    pub fn undo_all_but(&self, stays: impl Fn(&Thing) -> bool) -> Vec<Failure> {
        let entries: Vec<u64> = self
            .0
            .lock()
            .outstanding
            .iter()
            .rev()
            .filter(|(_, thing)| !stays(thing))
            .map(|(id, _)| *id)
            .collect();
        entries.into_iter().filter_map(|id| self.undo(Entry(id)).err()).collect()
    }
}

/// The handle of one line of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry(u64);

impl SharedLedger {
    fn lock(&self) -> std::sync::MutexGuard<'_, Book> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(files::LEDGER)
    }

    fn append(&self, book: &mut Book, line: &LedgerLine) -> Result<()> {
        let file = match book.file.take() {
            Some(file) => file,
            None => self.begin()?,
        };
        self.write(book.file.insert(file), line)
    }

    /// Opens the file, creates it if need be, and writes the new owner.
    fn begin(&self) -> Result<File> {
        let path = self.path();
        let attempted = || format!("open the ledger {}", path.display());
        let mode = if self.directory == state_directory() { 0o644 } else { 0o600 };
        let mut file =
            OpenOptions::new().create(true).append(true).mode(mode).open(&path).attempting(attempted)?;
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        self.write(&mut file, &LedgerLine::Owner { pid: std::process::id(), command })?;
        Ok(file)
    }

    fn write(&self, file: &mut File, line: &LedgerLine) -> Result<()> {
        let attempted = || format!("write the ledger {}", self.path().display());
        let mut text = serde_json::to_string(line).attempting(attempted)?;
        text.push('\n');
        file.write_all(text.as_bytes()).attempting(attempted)?;
        file.sync_data().attempting(attempted)
    }
}

fn read(path: &Path) -> Result<(BTreeMap<u64, Thing>, Option<Kept>)> {
    let mut outstanding = BTreeMap::new();
    let mut kept = None;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((outstanding, kept)),
        Err(error) => return Err(Failure::new(format!("read the ledger {}", path.display()), error)),
    };
    let attempted = || format!("read the ledger {}", path.display());
    for (number, text) in BufReader::new(file).lines().enumerate() {
        let text = text.attempting(attempted).map_err(|failure| {
            failure.try_next(
                "look what it is; if it is no ledger, move it away by hand, and what it named stays",
            )
        })?;
        // A line that was cut off is of an owner killed while writing: what it names was not created yet.
        let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
        // Any other line may name something that is to be undone, and a ledger without entries is removed.
        let line = serde_json::from_value(json).map_err(|error| {
            let cause = format!("line {} says what this multivm does not know: {error}", number + 1);
            Failure::new(attempted(), cause).try_next("multivm reap of the version that wrote it undoes it")
        })?;
        match line {
            LedgerLine::Owner { .. } => {}
            LedgerLine::Entered { id, thing } => {
                kept = None;
                outstanding.insert(id, thing);
            }
            LedgerLine::Struck { id } => {
                outstanding.remove(&id);
            }
            LedgerLine::Kept(how) => kept = Some(how),
        }
    }
    Ok((outstanding, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_of_a_pair_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        let pair = state.path().join("pairs/a-b");
        let _ledger = Ledger::open(&pair).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let modes = [mode(&state.path().join("pairs")), mode(&pair), mode(&pair.join(files::LEDGER))];
        assert_eq!(modes, [0o700, 0o700, 0o600]);
    }

    #[test]
    fn the_way_to_a_host_is_the_last_one_noted() {
        let state = tempfile::tempdir().unwrap();
        let host = |login: &str| HostChanges {
            name: "source".into(),
            address: "kvm1".into(),
            login: login.into(),
            run: "R1".into(),
            before: PathBuf::new(),
        };
        let ledger = Ledger::open(state.path()).unwrap();
        ledger.enter(Thing::Host(host("old"))).unwrap();
        ledger.keep().unwrap();
        ledger.renew(|on_host| (on_host.address == "kvm2").then(|| "other".into())).unwrap();
        ledger.renew(|on_host| (on_host.address == "kvm1").then(|| "new".into())).unwrap();
        let peek = Ledger::peek(state.path()).unwrap();
        assert_eq!(peek.outstanding, [Thing::Host(host("new"))]);
        assert!(peek.kept);
    }

    #[test]
    fn what_is_entered_after_everything_was_undone_is_on_disk() {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(state.path()).unwrap();
        ledger.enter(Thing::Directory { path: state.path().join("lab") }).unwrap();
        assert!(ledger.undo_all().is_empty());
        assert!(!state.path().join(files::LEDGER).exists());

        let next = Thing::Directory { path: state.path().join("next") };
        ledger.enter(next.clone()).unwrap();
        assert_eq!(Ledger::peek(state.path()).unwrap().outstanding, [next]);
        ledger.keep().unwrap();
        assert!(Ledger::peek(state.path()).unwrap().kept);
    }

    #[test]
    fn what_was_entered_is_undone_by_the_next_owner() {
        let state = tempfile::tempdir().unwrap();
        let made = state.path().join("lab");
        let first = Ledger::open(state.path()).unwrap();
        first.enter(Thing::Directory { path: made.clone() }).unwrap();
        fs::create_dir_all(made.join("deep")).unwrap();
        drop(first);

        let next = Ledger::open(state.path()).unwrap();
        assert!(!next.is_kept());
        assert_eq!(next.outstanding(), [Thing::Directory { path: made.clone() }]);
        assert_eq!(next.undo_all(), []);
        assert!(!made.exists());
        assert!(!state.path().join(files::LEDGER).exists());
    }

    /// Who skips it, and removes the ledger when the rest is undone, leaves the thing on the machine for good.
    #[test]
    fn a_thing_that_only_another_version_knows_is_no_line_to_skip() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(files::LEDGER);
        let text = "{\"line\":\"owner\",\"pid\":1,\"command\":\"x\"}\n\
            {\"line\":\"entered\",\"id\":1,\"thing\":{\"kind\":\"mount\",\"path\":\"/x\"}}\n";
        fs::write(&path, text).unwrap();
        let failures = [Ledger::open(state.path()).unwrap_err(), Ledger::peek(state.path()).unwrap_err()];
        for failure in failures.map(|failure| failure.to_string()) {
            assert!(failure.contains("line 2") && failure.contains("mount"), "{failure}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_line_that_was_cut_off_is_skipped_wherever_it_is() {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(state.path()).unwrap();
        let thing = Thing::Directory { path: state.path().join("lab") };
        ledger.enter(thing.clone()).unwrap();
        let mut file = OpenOptions::new().append(true).open(state.path().join(files::LEDGER)).unwrap();
        file.write_all(b"{\"line\":\"entered\",\"id\":2,\"thi").unwrap();
        for _ in 0..2 {
            assert_eq!(Ledger::open(state.path()).unwrap().outstanding(), std::slice::from_ref(&thing));
        }
    }

    #[test]
    fn what_is_kept_for_a_process_is_left_behind_when_it_ends() {
        let state = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let owner = Owner::of(child.id() as i32).unwrap();
        let ledger = Ledger::open(state.path()).unwrap();
        ledger.enter(Thing::Directory { path: state.path().join("lab") }).unwrap();
        ledger.keep_until(&owner).unwrap();
        for ledger in [ledger.clone(), Ledger::open(state.path()).unwrap()] {
            assert!(ledger.is_kept());
            assert_eq!(ledger.kept_until(), Some(owner.clone()));
        }
        assert_eq!(Ledger::peek(state.path()).unwrap().until, Some(owner.clone()));
        assert!(owner.to_string().ends_with("(sleep)"), "{owner}");

        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!ledger.is_kept() && !Ledger::open(state.path()).unwrap().is_kept());
        assert!(!Ledger::peek(state.path()).unwrap().kept);
        // Kept for good by somebody else, it stays.
        ledger.keep().unwrap();
        assert!(Ledger::open(state.path()).unwrap().is_kept());
    }

    #[test]
    fn a_ledger_of_before_is_understood() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join(files::LEDGER), "{\"line\":\"kept\"}\n").unwrap();
        let ledger = Ledger::open(state.path()).unwrap();
        assert!(ledger.is_kept() && ledger.kept_until().is_none());
    }

    #[test]
    fn a_process_is_ended_only_if_it_is_still_the_same_one() {
        let state = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let Thing::Process { pid, start, what } = Thing::process(child.id() as i32, "a sleeper").unwrap()
        else {
            panic!("not a process")
        };
        Thing::Process { pid, start: start + 1, what: what.clone() }.undo(state.path()).unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "another start time is another process");
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        Thing::Process { pid, start, what }.undo(state.path()).unwrap();
        assert!(!reaper.join().unwrap().success());
    }
}
