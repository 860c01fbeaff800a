//! The state directory: where it is, and that it is multivm's before anything is written there.
//!
//! What multivm makes below it is removed again, whatever is in it. A directory that holds anything else is therefore
//! refused.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::holder::Holder;
use super::{files, roots};
use crate::failure::{Attempt, FailureKind, Result};

/// Environment variable that moves the state directory; for tests of the ledger itself.
pub const STATE_VARIABLE: &str = "MULTIVM_STATE";

/// The state directory where [`STATE_VARIABLE`] names none.
const DEFAULT: &str = "/var/lib/multivm";

/// The folder, in the state directory, of the state directories of pairs.
pub const PAIRS: &str = "pairs";

/// How much of a file is read to see whether multivm wrote it.
const ENOUGH_BYTES: u64 = 1 << 20;

/// The directory of the lock, the ledger and a running lab. There is one per machine, for all users: two labs would share
/// names of network namespaces.
pub fn state_directory() -> PathBuf {
    state_at(std::env::var_os(STATE_VARIABLE))
}

/// The state directory for a value of [`STATE_VARIABLE`]. It is absolute: the ledger names what is below it, and the command
/// that undoes that may have another working directory.
fn state_at(asked: Option<OsString>) -> PathBuf {
    let asked = asked.filter(|value| !value.is_empty());
    let path = asked.map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from);
    std::path::absolute(&path).unwrap_or(path)
}

/// Makes a state directory that is multivm's, and marks it. Any user may see what is up on this machine; the directories
/// below it are for their owner alone, as are the ways to hosts in their ledgers.
///
/// # Errors
///
/// It holds something that multivm did not make. Nothing is touched then.
pub(super) fn make(directory: &Path) -> Result<()> {
    let machine = state_directory();
    let create = |path: &Path, mode: u32| {
        let attempted = || format!("create {}", path.display());
        DirBuilder::new().recursive(true).mode(mode).create(path).attempting(attempted)
    };
    if !directory.starts_with(&machine) {
        create(directory, 0o700)?;
        return claim(directory);
    }
    create(&machine, 0o777)?;
    claim(&machine)?;
    create(directory, 0o700)
}

fn claim(root: &Path) -> Result<()> {
    // The name says whose the default one is, and what a controller elsewhere changes on this machine has its notes there.
    let is_ours = root == Path::new(DEFAULT) || has_ledger(root);
    roots::claim(root, |name| is_ours || is_of_before(root, name)).map_err(|failure| match failure.kind() {
        FailureKind::Refused => failure.try_next(format!(
            "let {STATE_VARIABLE} name a directory that is empty or does not exist, or move away what is there"
        )),
        _ => failure,
    })
}

/// Whether a multivm that left no mark made that part of a state directory without a ledger: the lock of a killed
/// command, or states of pairs.
fn is_of_before(root: &Path, name: &str) -> bool {
    let path = root.join(name);
    match name {
        files::LOCK => is_lock(&path),
        PAIRS => all_in(&path, |pair| {
            has_ledger(&pair) || all_in(&pair, |part| part.ends_with(files::LOCK) && is_lock(&part))
        }),
        _ => false,
    }
}

/// Whether `path` is a directory with nothing but what `is_known` accepts.
fn all_in(path: &Path, is_known: impl Fn(PathBuf) -> bool) -> bool {
    let is_directory = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let all_known = |entries: fs::ReadDir| {
        entries.into_iter().all(|entry| entry.is_ok_and(|entry| is_known(entry.path())))
    };
    is_directory && fs::read_dir(path).is_ok_and(all_known)
}

fn is_lock(path: &Path) -> bool {
    any_line::<Holder>(path, |_| true)
}

/// Whether there is a ledger that a multivm wrote, of whichever version.
fn has_ledger(directory: &Path) -> bool {
    let is_line = |line: serde_json::Value| line.get("line").is_some_and(serde_json::Value::is_string);
    any_line(&directory.join(files::LEDGER), is_line)
}

/// Whether `path` is a file with a line of JSON that is what is looked for.
fn any_line<T: DeserializeOwned>(path: &Path, is_it: impl Fn(T) -> bool) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let has_line = |file: File| {
        let mut lines = BufReader::new(file.take(ENOUGH_BYTES)).lines().map_while(std::io::Result::ok);
        lines.any(|line| serde_json::from_str(&line).is_ok_and(&is_it))
    };
    is_file && File::open(path).is_ok_and(has_line)
}

#[cfg(test)]
mod tests {
    use super::super::{Ledger, Lock, Thing};
    use super::*;

    /// A state directory to be, in a directory of its own.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("state");
        (place, state)
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_state_directory_is_absolute_and_an_empty_variable_names_none() {
        let own = Path::new(DEFAULT);
        assert_eq!([state_at(None), state_at(Some("".into()))], [own, own]);
        assert_eq!(state_at(Some("/s".into())), Path::new("/s"));
        assert_eq!(state_at(Some("s".into())), std::env::current_dir().unwrap().join("s"));
    }

    #[test]
    fn a_directory_with_something_of_somebody_elses_is_refused_and_untouched() {
        let cases = [
            ("lab/thesis", "precious"),
            ("machines/thesis", "precious"),
            ("thesis", "precious"),
            ("lock", "precious"),
            ("lock", ""),
            ("ledger.jsonl", "{\"amount\":1}\n"),
            ("pairs/thesis", "precious"),
            ("pairs/a-b/thesis", "precious"),
            (roots::MARK, "precious"),
        ];
        for (file, text) in cases {
            let (_place, state) = place();
            write(&state.join(file), text);
            let by_the_lock = (file == files::LOCK).then(|| Lock::take(&state).unwrap_err());
            for failure in by_the_lock.into_iter().chain([Ledger::open(&state).unwrap_err()]) {
                let (first, said) = (file.split('/').next().unwrap(), failure.to_string());
                assert_eq!(failure.kind(), FailureKind::Refused, "{said}");
                assert!(
                    said.contains(&format!("it holds {first},")) && said.contains(STATE_VARIABLE),
                    "{said}"
                );
            }
            assert_eq!(fs::read_to_string(state.join(file)).unwrap(), text, "{file}");
            assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "{file}");
        }
    }

    #[test]
    fn a_link_to_what_multivm_writes_is_not_what_it_wrote() {
        let (place, state) = place();
        let elsewhere = place.path().join("elsewhere");
        write(&elsewhere.join("ledger.jsonl"), "{\"line\":\"kept\"}\n");
        fs::create_dir(&state).unwrap();
        for name in ["ledger.jsonl", PAIRS] {
            let link = state.join(name);
            std::os::unix::fs::symlink(elsewhere.join("ledger.jsonl"), &link).unwrap();
            assert_eq!(Ledger::open(&state).unwrap_err().kind(), FailureKind::Refused, "{name}");
            fs::remove_file(link).unwrap();
        }
    }

    #[test]
    fn a_state_of_before_is_taken_and_marked() {
        let holder = "{\"pid\":1,\"command\":\"x\",\"since\":\"\"}\n";
        let entered = "{\"id\":1,\"line\":\"entered\",\"thing\":{\"kind\":\"directory\",\"path\":\"/x\"}}\n";
        let cases: [&[(&str, &str)]; 5] = [
            &[("lock", holder)],
            &[("lock", holder), ("ledger.jsonl", "{\"line\":\"kept\"}\n"), ("lab/inventory.json", "")],
            &[("ledger.jsonl", "{\"line\":\"ow\n{\"line\":\"later\"}\n"), ("machines/x", "")],
            &[("pairs/a-b/ledger.jsonl", entered), ("pairs/a-b/run/ssh/key", ""), ("pairs/c-d/lock", holder)],
            &[(roots::MARK, "multivm made this")],
        ];
        for files in cases {
            let (_place, state) = place();
            for (file, text) in files {
                write(&state.join(file), text);
            }
            let lock = Lock::take(&state).unwrap();
            assert!(roots::is_marked(&state), "{files:?}");
            drop(lock);
            let stays = files.iter().any(|(file, _)| ![files::LOCK, roots::MARK].contains(file));
            assert_eq!(state.exists(), stays, "{files:?}");
        }
    }

    #[test]
    fn a_new_an_empty_and_a_marked_directory_are_taken() {
        let (_place, state) = place();
        drop(Lock::take(&state).unwrap());
        fs::create_dir(&state).unwrap();
        let lock = Lock::take(&state).unwrap();
        let lab = state.join("lab");
        let ledger = Ledger::open(&state).unwrap();
        ledger.enter(Thing::Directory { path: lab.clone() }).unwrap();
        write(&lab.join("deep/file"), "");
        drop((ledger, lock));
        fs::remove_file(state.join(files::LEDGER)).unwrap();
        // The mark alone says whose it is.
        let lock = Lock::take(&state).unwrap();
        assert!(lab.exists());
        fs::remove_dir_all(lab).unwrap();
        drop(lock);
        assert!(!state.exists(), "an unused state directory goes, with its mark");
    }

    #[test]
    fn the_lock_of_one_who_lost_the_mark_marks_again() {
        let (_place, state) = place();
        let first = Lock::take(&state).unwrap();
        fs::remove_file(state.join(roots::MARK)).unwrap();
        assert!(Lock::take(&state).unwrap_err().to_string().contains("under way"));
        assert!(roots::is_marked(&state));
        drop(first);
        assert!(!state.exists());
    }
}
