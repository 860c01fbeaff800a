//! Checks the places that a run writes to, before anything starts.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use crate::record::{LATEST, latest, latest_is_foreign};
use crate::sys::disk::Disk;

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
    on_disk(results, folder).map_err(|why| {
        refused(
            "results into",
            results,
            format!("{why}\n  allowed: a folder that can be made or written (MULTIVM_RESULTS, --results)"),
        )
    })?;
    if on_disk(results, |results| Ok(latest_is_foreign(results))).is_ok_and(|is_foreign| is_foreign) {
        let why = format!(
            "{LATEST} in it is no link to a run, so multivm did not make it\n  allowed: a folder without it (MULTIVM_RESULTS, --results); rename it, if this folder is right"
        );
        return Err(refused("results into", results, why));
    }
    let Some(junit) = junit else { return Ok(()) };
    on_disk(junit, file).and_then(|()| apart(junit, results)).map_err(|why| {
        refused(
            "JUnit to",
            junit,
            format!(
                "{why}\n  allowed: a file in a folder that can be made or written (MULTIVM_JUNIT, --junit)"
            ),
        )
    })
}

/// What a look at a path says, or that its disk hangs.
fn on_disk<T: Send + 'static>(
    path: &Path,
    look: impl FnOnce(&Path) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let path = path.to_owned();
    let looked = Disk::of(&path).within("look at it", move || Ok(look(&path)));
    looked.unwrap_or_else(|failure| Err(failure.cause.text))
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
    // Files come into such a folder, and get no other name there: neither a report nor the link to the latest run.
    if existing == path && attributes(path).contains(StatxAttributes::APPEND) {
        return Err(format!("files can be added to {} and not be renamed there: chattr -a", path.display()));
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
    // `Path` does not see these ends, and the system wants a folder there.
    if [&b"/"[..], b"/."].iter().any(|end| path.as_os_str().as_bytes().ends_with(end)) {
        return Err("it has the name of a folder".into());
    }
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err("it is no regular file".into()),
        Ok(_) => return replaceable(&fs::canonicalize(path).map_err(|error| error.to_string())?),
        Err(error) if path.is_symlink() => return Err(format!("its link leads to no file: {error}")),
        Err(error) if error.kind() == ErrorKind::InvalidFilename => return Err(error.to_string()),
        Err(_) => {}
    }
    folder(path.parent().unwrap_or(Path::new("")))
}

/// The reason why no new file can take the place of one that is there; none if one can.
fn replaceable(path: &Path) -> Result<(), String> {
    let attributes = attributes(path);
    if attributes.contains(StatxAttributes::IMMUTABLE) {
        return Err("it is immutable: chattr -i".into());
    }
    if attributes.contains(StatxAttributes::APPEND) {
        return Err("it can be appended to, and not be replaced: chattr -a".into());
    }
    if attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err("it is mounted, and cannot be replaced: mount its folder".into());
    }
    folder(path.parent().unwrap_or(Path::new("/")))
}

/// What the file system says of a file or a folder beyond its permissions; nothing where it does not know such attributes.
fn attributes(path: &Path) -> StatxAttributes {
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::empty());
    found.map_or(StatxAttributes::empty(), |found| found.stx_attributes)
}

/// The reason why a run's own folders and links take the place of the additional JUnit file; none if they do not.
fn apart(junit: &Path, results: &Path) -> Result<(), String> {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (junit, results) = (whole(junit), whole(results));
    if results.starts_with(&junit) {
        return Err("the run makes a folder there, for its results".into());
    }
    if junit == latest(&results) {
        return Err("the run makes a link there, to its results".into());
    }
    Ok(())
}

/// Whether a path exists. The empty path is the working directory, and a dangling link exists.
fn exists(path: &Path) -> bool {
    path == Path::new("") || fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rstest::rstest;

    use super::*;

    /// A folder with a file `file`, a folder `folder`, links `nowhere` and `circle` that lead nowhere, and a `pipe` and a `socket`
    /// with nobody at the other end.
    fn ground() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        symlink("/no/such", root.path().join("nowhere")).unwrap();
        symlink("circle", root.path().join("circle")).unwrap();
        nix::unistd::mkfifo(&root.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        UnixListener::bind(root.path().join("socket")).unwrap();
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
    #[case::below_a_dead_link("nowhere/a/b", "No such file")]
    #[case::a_link_to_itself("circle", "symbolic links")]
    #[case::a_pipe_that_nobody_reads("pipe", "is not a folder")]
    #[case::a_socket("socket", "is not a folder")]
    #[case::a_device("/dev/null", "is not a folder")]
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
    #[case::in_the_folder_of_the_run("latest/junit.xml")]
    fn a_usable_junit_file_passes(#[case] path: &str) {
        let root = ground();
        check(root.path(), Some(&root.path().join(path))).unwrap();
    }

    #[rstest]
    #[case::a_folder("folder", "it is a folder")]
    #[case::below_a_file("file/junit.xml", "is not a folder")]
    #[case::no_name("folder/..", "it is a folder")]
    #[case::the_name_of_a_folder("new/", "the name of a folder")]
    #[case::the_name_of_a_file_as_a_folders("file/", "the name of a folder")]
    #[case::a_folders_own_name("new/.", "the name of a folder")]
    #[case::a_dead_link("nowhere", "leads to no file")]
    #[case::a_link_to_itself("circle", "leads to no file")]
    #[case::below_a_dead_link("nowhere/junit.xml", "No such file")]
    #[case::a_device("/dev/null", "no regular file")]
    #[case::a_pipe_that_nobody_reads("pipe", "no regular file")]
    #[case::a_socket("socket", "no regular file")]
    #[case::the_results_folder("", "it is a folder")]
    #[case::the_link_to_the_latest_run("latest", "makes a link there")]
    fn an_unusable_junit_file_is_refused(#[case] path: &str, #[case] why: &str) {
        let root = ground();
        let said = check(root.path(), Some(&root.path().join(path))).unwrap_err();
        assert!(said.contains("cannot write JUnit to") && said.contains(why), "{said}");
        assert!(said.contains("MULTIVM_JUNIT"), "{said}");
    }

    /// Neither is there before the run, which makes folders of both names.
    #[test]
    fn a_junit_file_in_the_way_of_the_results_is_refused() {
        let root = ground();
        for results in ["new", "new/results"] {
            let said = check(&root.path().join(results), Some(&root.path().join("new"))).unwrap_err();
            assert!(
                said.contains("cannot write JUnit to") && said.contains("makes a folder there"),
                "{said}"
            );
        }
        check(&root.path().join("new"), Some(&root.path().join("new/junit.xml"))).unwrap();
    }

    /// The file lies in another folder than the link, and is what gets replaced.
    #[test]
    fn what_a_link_leads_to_must_be_replaceable() {
        let root = ground();
        let link = root.path().join("link");
        symlink("/proc/version", &link).unwrap();
        let said = check(root.path(), Some(&link)).unwrap_err();
        assert!(said.contains("no file can be made in /proc"), "{said}");
        fs::remove_file(&link).unwrap();
        symlink("folder/../file", &link).unwrap();
        check(root.path(), Some(&link)).unwrap();
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
