//! Writes files that exist as a whole or not at all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

use super::ReportError;

/// Writes `path` through a temporary file beside it and a rename: a CI collector sees the old file or the new one at any
/// moment, never half of it. The temporary file's name begins with a dot, so that `*.xml` does not match it.
pub fn write(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let name = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    // The umask decides who may read the file, as for any other file that a program creates.
    let readable = fs::Permissions::from_mode(0o666);
    let written =
        Builder::new().prefix(&name).permissions(readable).tempfile_in(folder).and_then(|mut file| {
            file.write_all(content)?;
            // Without it a power loss soon after the rename may leave an empty file under the final name.
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        });
    written.map_err(ReportError::io("write", path))
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

    #[test]
    fn an_error_names_the_file_that_was_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("missing/a.xml"), b"").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("missing/a.xml: "), "{error}");
    }
}
