//! The directories whose content multivm may remove: the state directory, and each that carries its mark.
//!
//! A mark is a file. It stays where the directory is, so that a command with another `MULTIVM_CACHE` still recognises what
//! an earlier one left there.

use std::fs::{self, DirEntry, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path};

use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};

/// The name of the file that marks a directory.
pub const MARK: &str = ".multivm";

/// The content of the mark. A file with another content marks nothing.
const TEXT: &str = "multivm made this directory, and removes from it what it made. Keep nothing else here.\n";

/// Marks `directory` as multivm's, creating it if it is missing. It refuses a directory with content and without a mark,
/// unless `known` recognises every name in it: an earlier multivm made such directories.
pub fn claim(directory: &Path, known: impl Fn(&str) -> bool) -> Result<()> {
    let attempted = || format!("use {} for what multivm makes", directory.display());
    fs::create_dir_all(directory).attempting(attempted)?;
    if is_marked(directory) {
        return Ok(());
    }
    for entry in fs::read_dir(directory).attempting(attempted)? {
        let name = entry.attempting(attempted)?.file_name();
        // A mark may be half written: by a command that was killed, or that goes on.
        let is_begun_mark = || name == MARK && mark_of(directory).is_some_and(|text| TEXT.starts_with(&text));
        if !is_begun_mark() && !known(&name.to_string_lossy()) {
            let cause = format!("it holds {}, which multivm did not make and leaves alone", name.display());
            return Err(Failure::new(attempted(), Cause::new(FailureKind::Refused, cause)));
        }
    }
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(MARK))
        .and_then(|mut file| file.write_all(TEXT.as_bytes()))
        .attempting(attempted)
}

/// Takes the mark away from a directory in which nothing else is but a file `last`.
pub(super) fn release(directory: &Path, last: &str) {
    let is_rest = |entry: io::Result<DirEntry>| {
        entry.is_ok_and(|entry| [MARK, last].iter().any(|name| entry.file_name() == *name))
    };
    if is_marked(directory) && fs::read_dir(directory).is_ok_and(|mut all| all.all(is_rest)) {
        let _ = fs::remove_file(directory.join(MARK));
    }
}

/// Whether `path` really lies below the state directory or below a marked one. A symbolic link on the way leads out; at the
/// end, the link itself would be removed.
pub(super) fn is_ours(path: &Path, state: &Path) -> io::Result<bool> {
    let (Some(parent), Some(_), true) = (path.parent(), path.file_name(), is_plain(path)) else {
        return Ok(false);
    };
    let parent = parent.canonicalize()?;
    let below_state = state.canonicalize().is_ok_and(|state| parent.starts_with(state));
    Ok(below_state || parent.ancestors().any(is_marked))
}

/// An absolute path without `..`.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && path.components().all(|part| part != Component::ParentDir)
}

pub(super) fn is_marked(directory: &Path) -> bool {
    mark_of(directory).is_some_and(|text| text == TEXT)
}

/// The text of the file that has the mark's name.
fn mark_of(directory: &Path) -> Option<String> {
    let mark = directory.join(MARK);
    fs::symlink_metadata(&mark).is_ok_and(|found| found.is_file()).then(|| fs::read_to_string(mark).ok())?
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::Thing;
    use super::*;

    fn undo(path: PathBuf, state: &Path) -> Result<()> {
        Thing::Directory { path }.undo(state)
    }

    fn made(path: PathBuf) -> PathBuf {
        fs::create_dir_all(path.join("deep")).unwrap();
        path
    }

    #[test]
    fn a_directory_called_multivm_is_nobodys_mark() {
        let (state, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let precious = made(home.path().join("src/multivm/x"));
        let failure = undo(precious.clone(), state.path()).unwrap_err();
        assert!(failure.to_string().contains(&precious.display().to_string()), "{failure}");
        assert!(precious.join("deep").exists());
    }

    #[test]
    fn below_the_state_directory_it_goes_and_the_state_directory_itself_stays() {
        let state = tempfile::tempdir().unwrap();
        let lab = made(state.path().join("lab"));
        undo(lab.clone(), state.path()).unwrap();
        assert!(!lab.exists());
        undo(lab, state.path()).expect("what is gone needs no removing");
        undo(state.path().join("never/made"), state.path()).expect("not even its parent is there");
        assert!(undo(state.path().to_owned(), state.path()).is_err());
        assert!(state.path().exists());
    }

    #[test]
    fn the_way_out_of_a_root_is_refused() {
        let (state, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let precious = made(home.path().join("x"));
        assert!(undo(state.path().join("..").join(home.path().file_name().unwrap()), state.path()).is_err());
        symlink(home.path(), state.path().join("link")).unwrap();
        assert!(undo(state.path().join("link/x"), state.path()).is_err());
        assert!(undo(PathBuf::from("lab"), state.path()).is_err());
        assert!(precious.join("deep").exists());
    }

    #[test]
    fn a_state_directory_behind_a_link_is_a_root_all_the_same() {
        let base = tempfile::tempdir().unwrap();
        let lab = made(base.path().join("real/lab"));
        symlink(base.path().join("real"), base.path().join("state")).unwrap();
        undo(base.path().join("state/lab"), &base.path().join("state")).unwrap();
        assert!(!lab.exists());
    }

    #[test]
    fn below_a_marked_directory_it_goes_and_a_link_in_it_leads_nowhere() {
        let (state, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (images, elsewhere) = (cache.path().join("images"), made(cache.path().join("elsewhere")));
        claim(&images, |_| false).unwrap();
        claim(&images, |_| false).expect("it is marked already");
        let partial = made(images.join(".partial-host"));
        undo(partial.clone(), state.path()).unwrap();
        assert!(!partial.exists());
        symlink(&elsewhere, images.join("link")).unwrap();
        // What is removed is the link.
        let _ = undo(images.join("link"), state.path());
        assert!(elsewhere.join("deep").exists());
        assert!(undo(images.clone(), state.path()).is_err(), "the marked directory itself stays");
    }

    #[test]
    fn a_directory_that_holds_what_is_not_ours_is_not_claimed() {
        let (state, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let photos = made(home.path().join("photos"));
        let failure = claim(home.path(), |name| name.starts_with("host-")).unwrap_err();
        assert!(failure.to_string().contains("photos"), "{failure}");
        assert!(undo(photos.clone(), state.path()).is_err() && photos.exists());
        // Everything in it is recognised: an earlier multivm made it.
        fs::rename(&photos, home.path().join("host-trixie")).unwrap();
        claim(home.path(), |name| name.starts_with("host-")).unwrap();
    }

    #[test]
    fn a_file_of_the_marks_name_is_no_mark() {
        let (state, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let precious = made(home.path().join("x"));
        fs::write(home.path().join(MARK), "something else\n").unwrap();
        assert!(undo(precious, state.path()).is_err());
    }
}
