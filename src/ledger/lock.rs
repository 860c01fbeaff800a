//! One run at a time on this machine.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use procfs::{LockKind, LockType};

use super::holder::Holder;
use super::{files, roots, state};
use crate::failure::{Attempt, Cause, Failure, Result};
use crate::sys::interrupt;

/// How long one that is ending may take: what a run that was told to stop does first (30 s), 3 processes x 20 s + 4 control
/// groups x 10 s = 100 s (`thing.rs`), and a little more.
const ENDING_LIMIT: Duration = Duration::from_secs(150);

/// How long a holder may take to say that it is ending: a command that follows one that was just interrupted is quicker than that
/// one's signal. As long, a state directory may look like somebody else's while another command makes or removes it.
const SAYING_LIMIT: Duration = Duration::from_millis(500);

/// How often whether it is done is looked at.
const ENDING_INTERVAL: Duration = Duration::from_millis(50);

/// The machine-wide lock, held until dropped. The kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
    holder: Holder,
}

impl Lock {
    /// Takes the lock or says who has it. Waits for one who is ending.
    ///
    /// # Errors
    ///
    /// Another command holds it, or the directory holds something that multivm did not make.
    pub fn take(directory: &Path) -> Result<Lock> {
        Lock::take_for(directory, false, pause)
    }

    /// Takes it only to take down what has been left: others wait for that.
    pub fn take_to_end(directory: &Path) -> Result<Lock> {
        Lock::take_for(directory, true, pause)
    }

    /// Takes the lock. `pause` is what is done between two looks at who has it.
    fn take_for(directory: &Path, ending: bool, mut pause: impl FnMut()) -> Result<Lock> {
        let begin = Instant::now();
        let path = directory.join(files::LOCK);
        let attempted = || format!("take the lock {}", path.display());
        loop {
            if let Err(failure) = state::make(directory) {
                if begin.elapsed() < SAYING_LIMIT {
                    pause();
                    continue;
                }
                return Err(failure);
            }
            let mut file =
                match OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path) {
                    Ok(file) => file,
                    // The directory was removed by the holder that just ended.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(Failure::new(attempted(), error)),
                };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let holder = holder_in(&mut file);
                    if interrupt::at().is_some() {
                        return Err(Failure::new(attempted(), Cause::interrupted()));
                    }
                    let is_ending = holder.as_ref().is_some_and(|holder| holder.ending);
                    let limit = if is_ending { ENDING_LIMIT } else { SAYING_LIMIT };
                    if begin.elapsed() < limit {
                        pause();
                        continue;
                    }
                    return Err(held(holder.as_ref(), &path));
                }
                Err(TryLockError::Error(error)) => return Err(Failure::new(attempted(), error)),
            }
            // The holder before us may have removed the file between our opening and locking it; another process
            // could then lock a new file of the same name.
            let same = fs::metadata(&path)
                .is_ok_and(|now| file.metadata().is_ok_and(|ours| now.ino() == ours.ino()));
            if !same {
                continue;
            }
            let holder = Holder {
                pid: std::process::id(),
                command: std::env::args().collect::<Vec<_>>().join(" "),
                since: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
                ending,
            };
            let lock = Lock { path, file, holder };
            lock.write(&lock.holder)?;
            // The holder before us may have taken the mark away since.
            state::make(directory)?;
            return Ok(lock);
        }
    }

    /// Says that its holder is ending: others wait for that.
    pub fn say_ending(&self) -> Result<()> {
        self.write(&Holder { ending: true, ..self.holder.clone() })
    }

    fn write(&self, holder: &Holder) -> Result<()> {
        let attempted = || format!("write the lock {}", self.path.display());
        let mut text = serde_json::to_string(holder).attempting(attempted)?;
        // Whoever reads it meanwhile sees the one or the other, or what is no holder.
        text.push('\n');
        self.file.write_all_at(text.as_bytes(), 0).attempting(attempted)?;
        self.file.set_len(text.len() as u64).attempting(attempted)
    }
}

impl Lock {
    /// Who holds the lock at the moment, if anybody does. Takes no lock: a shared one, however short, would make a
    /// run that begins at that moment believe that another is under way.
    pub fn holder(directory: &Path) -> Option<Holder> {
        let path = directory.join(files::LOCK);
        let holder: Holder = serde_json::from_str(&fs::read_to_string(&path).ok()?).ok()?;
        let inode = fs::metadata(&path).ok()?.ino();
        // The file of a killed holder stays; whether it is locked is what the kernel's list says.
        let locks = procfs::locks().ok()?;
        locks.iter().any(|lock| is_held(lock, holder.pid, inode)).then_some(holder)
    }
}

/// Whether a lock of the kernel's list is the flock of that process on that inode. The device is not compared: on Btrfs it is
/// another number than the one stat gives. A process that waits for the flock looks the same; multivm tries, and never waits.
fn is_held(lock: &procfs::Lock, pid: u32, inode: u64) -> bool {
    lock.lock_type == LockType::FLock
        && matches!(lock.kind, LockKind::Write)
        && lock.pid.and_then(|owner| owner.try_into().ok()) == Some(pid)
        && lock.inode == inode
}

impl Drop for Lock {
    fn drop(&mut self) {
        let directory = self.path.parent();
        // While the lock is held, so that whoever takes it next sees that the mark is gone.
        if let Some(directory) = directory {
            roots::release(directory, files::LOCK);
        }
        let _ = fs::remove_file(&self.path);
        // Gone only when nothing else is in it: a kept lab keeps it.
        if let Some(directory) = directory {
            let _ = fs::remove_dir(directory);
        }
    }
}

fn pause() {
    std::thread::sleep(ENDING_INTERVAL);
}

fn holder_in(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    let _ = file.rewind();
    let _ = file.read_to_string(&mut text);
    serde_json::from_str(&text).ok()
}

fn held(holder: Option<&Holder>, path: &Path) -> Failure {
    let who = holder.map_or_else(|| "another run".to_owned(), Holder::to_string);
    Failure::new("start a run", format!("one is under way already ({who})"))
        .at(path.display().to_string())
        .try_next("wait until it has ended, or end that process: it cleans up after itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_run_is_refused_and_told_who_is_first() {
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("state");
        let first = Lock::take(&directory).unwrap();
        let refusal = Lock::take(&directory).unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
        assert_eq!(Lock::holder(&directory).map(|holder| holder.pid), Some(std::process::id()));
        drop(first);
        assert!(!directory.exists(), "an unused state directory goes with the lock");
        Lock::take(&directory).unwrap();
    }

    #[test]
    fn one_who_only_takes_down_is_waited_for() {
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("state");
        let mut ending = Some(Lock::take_to_end(&directory).unwrap());
        assert_eq!(Lock::holder(&directory).map(|holder| holder.ending), Some(true));
        let next = Lock::take_for(&directory, false, || ending = None);
        assert!(next.is_ok() && ending.is_none(), "it was waited for");
    }

    #[test]
    fn one_who_was_told_to_stop_is_waited_for() {
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("state");
        let stopped = Lock::take(&directory).unwrap();
        assert_eq!(Lock::holder(&directory).map(|holder| holder.ending), Some(false));
        stopped.say_ending().unwrap();
        let holder = Lock::holder(&directory).unwrap();
        assert!(holder.ending && holder.pid == std::process::id());
        // Longer than one that goes on is waited for: at the last pause, at least one look was later than that.
        let (mut stopped, mut pauses) = (Some(stopped), Vec::new());
        let next = Lock::take_for(&directory, false, || {
            pause();
            if pauses.last().is_some_and(|last: &Instant| last.duration_since(pauses[0]) > SAYING_LIMIT) {
                stopped = None;
            }
            pauses.push(Instant::now());
        });
        assert!(next.is_ok() && stopped.is_none(), "it was waited for");
    }

    #[test]
    fn the_file_of_a_killed_holder_is_no_lock() {
        let state = tempfile::tempdir().unwrap();
        let holder =
            Holder { pid: std::process::id(), command: "killed".into(), since: String::new(), ending: false };
        fs::write(state.path().join("lock"), serde_json::to_string(&holder).unwrap()).unwrap();
        assert!(Lock::holder(state.path()).is_none());
        assert!(Lock::holder(&state.path().join("none")).is_none());
    }
}
