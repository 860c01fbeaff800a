//! One folder per run.
//!
//! ```text
//! results/
//!   latest -> 20260102T030405Z-4711    the run of the last command; none if that played nothing
//!   20260102T030405Z-4711/
//!     record.jsonl
//!     junit.xml
//!     report.html
//!     scenarios/postcopy_cross.in_vms.stress_memory/evidence/
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{ReportError, rfc3339_text};

/// Name of the JUnit report in the folder of a run.
pub const JUNIT_FILE: &str = "junit.xml";

/// Name of the HTML report in the folder of a run.
pub const HTML_FILE: &str = "report.html";

/// Name of the link to the folder of the latest run, beside the folders of runs.
pub const LATEST: &str = "latest";

/// The folder of one run, with everything that the run leaves behind.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    name: String,
}

impl RunFolder {
    /// The default folder for the folders of runs: `target/multivm`, beside cargo's output, so that nobody commits it.
    pub fn default_root() -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).or_else(|| {
            let program = std::env::current_exe().ok()?;
            let found =
                program.ancestors().find(|path| path.file_name().is_some_and(|name| name == "target"))?;
            Some(found.to_owned())
        });
        target.unwrap_or_else(|| PathBuf::from("target")).join("multivm")
    }

    /// Creates `<results_root>/<UTC time>-<process id>/`, with the root if need be, and points `<results_root>/latest` to it.
    ///
    /// # Errors
    /// When a folder or the link cannot be created.
    pub fn create(results_root: &Path) -> Result<RunFolder, ReportError> {
        fs::create_dir_all(results_root)
            .map_err(ReportError::io("create the results folder", results_root))?;
        let base = format!("{}-{}", compact_utc(SystemTime::now()), std::process::id());
        let mut name = base.clone();
        // One process may make two runs within a second, and two containers over one results folder may share a pid.
        for attempt in 2.. {
            let path = results_root.join(&name);
            match fs::create_dir(&path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    name = format!("{base}-{attempt}")
                }
                Err(error) => {
                    return Err(ReportError::io("create the folder of this run", &path)(error));
                }
            }
        }
        point_latest(results_root, &name)?;
        Ok(RunFolder { path: results_root.join(&name), name })
    }

    /// The folder's path; relative if the results root was.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's identity: the folder's name, made of `[0-9TZ-]`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `junit.xml`.
    pub fn junit_path(&self) -> PathBuf {
        self.path.join(JUNIT_FILE)
    }

    /// `report.html`.
    pub fn html_path(&self) -> PathBuf {
        self.path.join(HTML_FILE)
    }

    /// The folder of one scenario, created if need be; its name is the scenario's with `.` for `::`.
    ///
    /// Flat, and not a folder per part of the name: one level to list, to copy into a bug report and to match in a CI
    /// configuration. `.` never occurs in a scenario's name, so two scenarios never share a folder.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn scenario_dir(&self, scenario: &str) -> Result<PathBuf, ReportError> {
        create_all(self.path.join("scenarios").join(flat_name(scenario)))
    }
}

/// Creates `<results_root>/<name>/` for several runs that belong together, if need be, and points `<results_root>/latest` to it.
///
/// # Errors
/// When the folder or the link cannot be created.
pub fn create_group(results_root: &Path, name: &str) -> Result<PathBuf, ReportError> {
    let path = create_all(results_root.join(name))?;
    point_latest(results_root, name)?;
    Ok(path)
}

fn create_all(path: PathBuf) -> Result<PathBuf, ReportError> {
    fs::create_dir_all(&path).map_err(ReportError::io("create the folder", &path))?;
    Ok(path)
}

/// `20260102T030405Z`: sorts by time, without the colons that artifact stores refuse in names.
fn compact_utc(time: SystemTime) -> String {
    let text = rfc3339_text(time);
    let seconds = text.split('.').next().unwrap_or(&text);
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

/// A name of only `[A-Za-z0-9_.-]` that does not begin with a dot and fits a file name's length.
fn flat_name(scenario: &str) -> String {
    let flat: String = scenario
        .replace("::", ".")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' })
        .take(200)
        .collect();
    if flat.is_empty() || flat.starts_with('.') { format!("_{flat}") } else { flat }
}

/// The path of the link to the latest run.
pub fn latest(results_root: &Path) -> PathBuf {
    results_root.join(LATEST)
}

/// Whether `<results_root>/latest` is there and nobody's run: anything but a link to something beside it, which somebody else made.
pub fn latest_is_foreign(results_root: &Path) -> bool {
    let latest = latest(results_root);
    let to_beside = |to: PathBuf| matches!(&*Vec::from_iter(to.components()), [Component::Normal(_)]);
    fs::symlink_metadata(&latest).is_ok() && !fs::read_link(&latest).is_ok_and(to_beside)
}

/// Points the link to a run by a rename over the old link: `latest` is never missing in between.
fn point_latest(results_root: &Path, name: &str) -> Result<(), ReportError> {
    let latest = latest(results_root);
    if latest_is_foreign(results_root) {
        let error = io::Error::new(io::ErrorKind::AlreadyExists, "it is there, and is no link to a run");
        return Err(ReportError::io("point the link to this run:", &latest)(error));
    }
    let temporary = results_root.join(format!(".latest-{name}"));
    symlink(name, &temporary).and_then(|()| fs::rename(&temporary, &latest)).map_err(|source| {
        // The error above matters, not this one.
        let _ = fs::remove_file(&temporary);
        ReportError::io("point the link to this run:", &latest)(source)
    })
}

/// Removes `<results_root>/latest`, unless it was made within `age`. Whether one was there.
///
/// # Errors
/// When the link cannot be removed.
pub fn withdraw_latest(results_root: &Path, age: Duration) -> Result<bool, ReportError> {
    let latest = latest(results_root);
    let Ok(link) = fs::symlink_metadata(&latest) else { return Ok(false) };
    let made = link.modified().map(|made| SystemTime::now().duration_since(made).unwrap_or_default());
    if latest_is_foreign(results_root) || made.is_ok_and(|made| made <= age) {
        return Ok(false);
    }
    match fs::remove_file(&latest) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ReportError::io("remove the link to an earlier run:", &latest)(error))
        }
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn latest_follows_the_runs() {
        let root = tempfile::tempdir().unwrap();
        let results = root.path().join("deep/results");
        for _ in 0..3 {
            let run = RunFolder::create(&results).unwrap();
            assert_eq!(fs::read_link(results.join("latest")).unwrap(), Path::new(run.name()));
            assert!(run.path().is_dir());
        }
        // Three runs and the link, and nothing temporary.
        assert_eq!(fs::read_dir(&results).unwrap().count(), 4);
    }

    #[test]
    fn a_group_of_runs_is_one_folder() {
        let root = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let group = create_group(root.path(), "nextest-1").unwrap();
            let run = RunFolder::create(&group).unwrap();
            assert_eq!(fs::read_link(root.path().join("latest")).unwrap(), Path::new("nextest-1"));
            assert_eq!(fs::read_link(root.path().join("latest/latest")).unwrap(), Path::new(run.name()));
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_earlier_run_is_latest_no_more() {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(root.path()).unwrap();
        let latest = root.path().join("latest");
        assert!(!withdraw_latest(root.path(), Duration::from_secs(3600)).unwrap(), "it is of this hour");
        assert!(latest.exists());
        assert!(withdraw_latest(root.path(), Duration::ZERO).unwrap());
        assert!(fs::symlink_metadata(&latest).is_err() && run.path().is_dir());
        assert!(!withdraw_latest(root.path(), Duration::ZERO).unwrap(), "there is none any more");
        fs::create_dir(&latest).unwrap();
        assert!(!withdraw_latest(root.path(), Duration::ZERO).unwrap() && latest.is_dir());
    }

    #[test]
    fn a_scenario_has_a_flat_folder() {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(root.path()).unwrap();
        let folder = run.scenario_dir("postcopy_cross::in_vms::stress_cpu").unwrap();
        assert!(folder.is_dir());
        assert!(folder.ends_with("scenarios/postcopy_cross.in_vms.stress_cpu"));
        assert_eq!(run.scenario_dir("postcopy_cross::in_vms::stress_cpu").unwrap(), folder);
    }

    #[test]
    fn what_is_called_latest_and_leads_to_no_run_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let [folder, file, away] = ["folder", "file", "away"].map(|name| root.path().join(name));
        fs::create_dir_all(folder.join("latest/precious")).unwrap();
        fs::create_dir(&file).unwrap();
        fs::write(file.join("latest"), "precious").unwrap();
        fs::create_dir(&away).unwrap();
        symlink("../folder", away.join("latest")).unwrap();
        for results in [&folder, &file, &away] {
            let error = RunFolder::create(results).unwrap_err().to_string();
            assert!(error.contains("point the link to this run: ") && error.contains("latest"), "{error}");
            assert!(!withdraw_latest(results, Duration::ZERO).unwrap() && latest_is_foreign(results));
        }
        assert!(folder.join("latest/precious").is_dir() && away.join("latest").is_symlink());
        assert_eq!(fs::read_to_string(file.join("latest")).unwrap(), "precious");
    }

    #[rstest]
    #[case("a::b", "a.b")]
    #[case("../../etc", "_.._.._etc")]
    #[case("..", "_..")]
    #[case("", "_")]
    #[case("a/b c\u{e9}", "a_b_c_")]
    fn names_are_safe(#[case] scenario: &str, #[case] expected: &str) {
        assert_eq!(flat_name(scenario), expected);
    }

    #[test]
    fn times_sort_and_have_no_colons() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(compact_utc(time), "20231114T221320Z");
    }
}
