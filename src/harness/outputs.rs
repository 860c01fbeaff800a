//! Checks the places that a run writes to, before anything starts.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::record::{LATEST, latest_is_foreign};

/// Checks the results folder and the additional JUnit file, if there is one, and leaves nothing behind.
///
/// # Errors
///
/// A place cannot be written. The message has the place, the reason, what is allowed, and the option or variable that names
/// the place.
pub fn check(results: &Path, junit: Option<&Path>) -> Result<(), String> {
    let refused = |what: &str, path: &Path, why: String| {
        format!("error: cannot write {what} {}: {why}", path.display())
    };
    folder(results).map_err(|why| {
        refused(
            "results into",
            results,
            format!("{why}\n  allowed: a folder that can be made or written (MULTIVM_RESULTS, --results)"),
        )
    })?;
    if latest_is_foreign(results) {
        let why = format!(
            "{LATEST} in it is no link to a run, so multivm did not make it\n  allowed: a folder without it (MULTIVM_RESULTS, --results); rename it, if this folder is right"
        );
        return Err(refused("results into", results, why));
    }
    let Some(junit) = junit else { return Ok(()) };
    file(junit).map_err(|why| {
        refused(
            "JUnit to",
            junit,
            format!(
                "{why}\n  allowed: a file in a folder that can be made or written (MULTIVM_JUNIT, --junit)"
            ),
        )
    })
}

/// The reason why a folder at a path cannot be made and written; none if it can.
fn folder(path: &Path) -> Result<(), String> {
    let Some(existing) = path.ancestors().find(|path| exists(path)) else {
        // A relative path begins in the working directory.
        return folder(&PathBuf::from(".").join(path));
    };
    let existing = if existing == Path::new("") { Path::new(".") } else { existing };
    let metadata = fs::metadata(existing).map_err(|error| format!("{}: {error}", existing.display()))?;
    if !metadata.is_dir() {
        return Err(format!("{} is not a folder", existing.display()));
    }
    // Only a write proves that the folder is writable: by its permission bits root may also write where nothing can be
    // written, as in /proc.
    // A file without content has room on a full disk, too.
    tempfile::tempfile_in(existing)
        .and_then(|mut file| file.write_all(&[0; 4096]))
        .map_err(|error| format!("no file can be made in {}: {error}", existing.display()))
}

/// The reason why a file at a path cannot be written; none if it can.
fn file(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("it is a folder".into());
    }
    if path.file_name().is_none() {
        return Err("it has no file name".into());
    }
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err("it is no regular file".into()),
        Err(error) if path.is_symlink() => return Err(format!("its link leads to no file: {error}")),
        Err(error) if error.kind() == ErrorKind::InvalidFilename => return Err(error.to_string()),
        _ => {}
    }
    folder(path.parent().unwrap_or(Path::new("")))
}

/// Whether a path exists. The empty path is the working directory, and a dangling link exists.
fn exists(path: &Path) -> bool {
    path == Path::new("") || fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A folder with a file `file`, a folder `folder`, and a link `nowhere` that leads nowhere.
    fn ground() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        std::os::unix::fs::symlink("/no/such", root.path().join("nowhere")).unwrap();
        root
    }

    #[rstest]
    #[case::there("folder")]
    #[case::to_be_made("folder/a/b")]
    fn a_usable_results_folder_is_left_alone(#[case] path: &str) {
        let root = ground();
        check(&root.path().join(path), None).unwrap();
        assert_eq!(fs::read_dir(root.path().join("folder")).unwrap().count(), 0, "nothing is made");
    }

    #[rstest]
    #[case::a_file("file", "is not a folder")]
    #[case::below_a_file("file/a/b", "is not a folder")]
    #[case::a_dead_link("nowhere", "No such file")]
    fn an_unusable_results_folder_is_refused(#[case] path: &str, #[case] why: &str) {
        let root = ground();
        let said = check(&root.path().join(path), None).unwrap_err();
        assert!(said.contains("cannot write results into") && said.contains(why), "{said}");
        assert!(said.contains("MULTIVM_RESULTS"), "{said}");
    }

    #[test]
    fn a_results_folder_with_somebodys_own_latest_is_refused() {
        let root = ground();
        fs::write(root.path().join("folder").join(LATEST), "").unwrap();
        let said = check(&root.path().join("folder"), None).unwrap_err();
        assert!(said.contains("cannot write results into") && said.contains("latest"), "{said}");
    }

    #[rstest]
    #[case::new("folder/junit.xml")]
    #[case::over_an_old_one("file")]
    #[case::in_a_folder_to_be_made("folder/a/junit.xml")]
    fn a_usable_junit_file_passes(#[case] path: &str) {
        let root = ground();
        check(root.path(), Some(&root.path().join(path))).unwrap();
    }

    #[rstest]
    #[case::a_folder("folder", "it is a folder")]
    #[case::below_a_file("file/junit.xml", "is not a folder")]
    #[case::no_name("folder/..", "it is a folder")]
    #[case::a_dead_link("nowhere", "leads to no file")]
    #[case::a_device("/dev/null", "no regular file")]
    fn an_unusable_junit_file_is_refused(#[case] path: &str, #[case] why: &str) {
        let root = ground();
        let said = check(root.path(), Some(&root.path().join(path))).unwrap_err();
        assert!(said.contains("cannot write JUnit to") && said.contains(why), "{said}");
        assert!(said.contains("MULTIVM_JUNIT"), "{said}");
    }

    #[test]
    fn a_name_that_no_file_can_have_is_refused() {
        let root = ground();
        let said = check(root.path(), Some(&root.path().join("a".repeat(300)))).unwrap_err();
        assert!(said.contains("cannot write JUnit to"), "{said}");
        check(root.path(), Some(&root.path().join("a".repeat(255)))).unwrap();
    }

    #[test]
    fn a_relative_path_is_below_the_working_directory() {
        check(Path::new("target/multivm-not-there/a"), Some(Path::new("junit.xml"))).unwrap();
        let said = check(Path::new("Cargo.toml/a"), None).unwrap_err();
        assert!(said.contains("Cargo.toml is not a folder"), "{said}");
    }
}
