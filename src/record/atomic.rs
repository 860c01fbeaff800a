//! Writes files that exist as a whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

use super::ReportError;

/// Writes `path` through a temporary file beside it and a rename: a CI collector sees the old file or the new one at any
/// moment, never half of it. The temporary file's name begins with a dot, so that `*.xml` does not match it.
///
/// A rename would put a file in the place of a link, a device or a pipe, of the whole machine's `/dev/null` too: a link is
/// followed, and what is no regular file is written as it is.
pub fn write(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    let written = match fs::metadata(path) {
        Ok(found) if found.is_file() => fs::canonicalize(path).and_then(|real| replace(&real, content)),
        Ok(_) => OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(content)),
        Err(error) if path.is_symlink() => Err(error),
        Err(_) => replace(path, content),
    };
    written.map_err(ReportError::io("write", path))
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    // The umask decides who may read the file, as for any other file that a program creates.
    let readable = fs::Permissions::from_mode(0o666);
    let mut file = Builder::new().prefix(".multivm-").permissions(readable).tempfile_in(folder)?;
    file.write_all(content)?;
    // Without it a power loss soon after the rename may leave an empty file under the final name.
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xml");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        fs::write(folder.path().join("plain"), "").unwrap();
        assert_eq!(mode(&path), mode(&folder.path().join("plain")));
    }

    /// Root may replace `/dev/null` by a file, after which nothing on the machine works as before.
    #[test]
    fn what_is_no_file_is_written_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        write(&path, b"one").unwrap();
        let mut said = [0; 3];
        io::Read::read_exact(&mut reader, &mut said).unwrap();
        assert_eq!(&said, b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let full = write(Path::new("/dev/full"), b"one").unwrap_err().to_string();
        assert!(full.starts_with("cannot write /dev/full: "), "{full}");
        assert!(!Path::new("/dev/full").is_file());
    }

    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [real, link, dead] = ["real", "link", "dead"].map(|name| folder.path().join(name));
        write(&real, b"one").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        std::os::unix::fs::symlink("nowhere", &dead).unwrap();
        write(&link, b"two").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"two");
        assert!(write(&dead, b"two").is_err());
        assert!(link.is_symlink() && dead.is_symlink());
    }

    #[test]
    fn an_error_names_the_file_that_was_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("missing/a.xml"), b"").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("missing/a.xml: "), "{error}");
    }
}
