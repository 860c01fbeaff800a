//! The SHA-256 of masters as earlier commands computed them. A large file takes a minute to read, and a run of nextest has a process for
//! each scenario.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::master::sha256;

/// The file's name in the cache.
const FILE: &str = "masters.json";

/// How many masters are known at most.
const MOST: usize = 100;

/// The SHA-256 of a file, and what tells the file from itself before somebody changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownChecksum {
    path: PathBuf,
    seen: FileState,
    pub sha256: String,
}

/// What changes with a file's content: whoever writes a file changes its time of change, which nobody can set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    fn of(path: &Path) -> io::Result<FileState> {
        let file = fs::metadata(path)?;
        Ok(FileState {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            written: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

/// The SHA-256 of a master, as an earlier command computed it, if the file is still the same, or computed now.
///
/// # Errors
///
/// The file cannot be read.
pub fn known(path: &Path, cache: &Path) -> io::Result<KnownChecksum> {
    // Before it is read: whoever writes it meanwhile makes another file of it.
    let seen = FileState::of(path)?;
    let same = |known: &KnownChecksum| known.path == path && known.seen == seen;
    if let Some(known) = remembered(cache).into_iter().find(same) {
        return Ok(known);
    }
    Ok(KnownChecksum { path: path.to_owned(), seen, sha256: sha256(path)? })
}

/// The SHA-256 of a master, which is kept for later commands.
pub fn known_sha256(path: &Path, cache: &Path) -> io::Result<String> {
    let known = known(path, cache)?;
    let sha256 = known.sha256.clone();
    remember(known, cache);
    Ok(sha256)
}

/// Keeps the SHA-256 of a master for later commands. Where that is not possible they compute it again.
pub fn remember(known: KnownChecksum, cache: &Path) {
    let path = known.path.clone();
    let mut all = remembered(cache);
    if all.contains(&known) {
        return;
    }
    all.retain(|other| other.path != path);
    all.insert(0, known);
    all.truncate(MOST);
    // Another process reads the old list or the new one, and never a part. One that writes at the same time may lose an entry.
    let _ = serde_json::to_vec(&all).map_err(io::Error::from).and_then(|text| {
        fs::create_dir_all(cache)?;
        let mut file = tempfile::NamedTempFile::new_in(cache)?;
        file.write_all(&text)?;
        file.persist(cache.join(FILE)).map_err(|error| error.error)
    });
}

fn remembered(cache: &Path) -> Vec<KnownChecksum> {
    let text = fs::read(cache.join(FILE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nobody can compute: only what was kept is it.
    const KEPT: &str = "kept";

    fn kept(path: &Path) -> KnownChecksum {
        KnownChecksum { path: path.to_owned(), seen: FileState::of(path).unwrap(), sha256: KEPT.into() }
    }

    #[test]
    fn a_file_that_did_not_change_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("disk"), folder.path().join("cache"));
        fs::write(&path, "abc").unwrap();
        let computed = known(&path, &cache).unwrap().sha256;
        assert_eq!(computed, sha256(&path).unwrap());
        assert!(!cache.exists(), "only whoever was satisfied keeps it");
        remember(kept(&path), &cache);
        assert_eq!(known(&path, &cache).unwrap().sha256, KEPT);
        let other = folder.path().join("other");
        fs::copy(&path, &other).unwrap();
        assert_eq!(known(&other, &cache).unwrap().sha256, computed);
    }

    #[test]
    fn a_hash_that_was_asked_for_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("disk"), folder.path().join("cache"));
        fs::write(&path, "abc").unwrap();
        let computed = known_sha256(&path, &cache).unwrap();
        assert_eq!(computed, sha256(&path).unwrap());
        assert_eq!(remembered(&cache)[0].sha256, computed);
        remember(kept(&path), &cache);
        assert_eq!(known_sha256(&path, &cache).unwrap(), KEPT);
    }

    #[test]
    fn a_file_of_the_same_length_and_time_in_its_place_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("disk"), folder.path().join("cache"));
        fs::write(&path, "abc").unwrap();
        remember(kept(&path), &cache);
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "abd").unwrap();
        fs::rename(&other, &path).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        assert_eq!(known(&path, &cache).unwrap().sha256, sha256(&path).unwrap());
    }

    #[test]
    fn what_cannot_be_kept_is_computed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        fs::write(&path, "abc").unwrap();
        let nowhere = Path::new("/proc/none");
        remember(kept(&path), nowhere);
        assert_eq!(known(&path, nowhere).unwrap().sha256, sha256(&path).unwrap());
        fs::write(folder.path().join(FILE), "no list").unwrap();
        assert_eq!(known(&path, folder.path()).unwrap().sha256, sha256(&path).unwrap());
    }

    #[test]
    fn a_file_that_is_written_before_its_hash_is_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("disk"), folder.path().join("cache"));
        fs::write(&path, "abc").unwrap();
        let before = known(&path, &cache).unwrap();
        fs::write(&path, "abcd").unwrap();
        remember(before, &cache);
        assert_eq!(known(&path, &cache).unwrap().sha256, sha256(&path).unwrap());
    }
}
