//! Files that are there as a whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::ReportError;

/// Writes `path` through a temporary file beside it and a rename: a CI collector that looks at any moment sees the old
/// file or the new one, never half of it. The temporary file's name begins with a dot, so that `*.xml` does not match it.
pub fn write(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        // Without it a power loss soon after the rename may leave an empty file under the final name.
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    written.map_err(|source| {
        // The error that matters is the one above; what is left over is a dot file that the next write replaces.
        let _ = fs::remove_file(&temporary);
        ReportError::io("write", path)(source)
    })
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
    }

    #[test]
    fn an_error_names_the_file_that_was_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("missing/a.xml"), b"").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("missing/a.xml: "), "{error}");
    }
}
