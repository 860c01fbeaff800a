//! The run that a command is about: the user's choice, or the newest.

use std::fs;
use std::path::{Path, PathBuf};

use multivm::record::{FILE_NAME, LATEST, RunFolder, latest, parts_of};

use crate::problem::Problem;

/// How many names of runs a message about a wrong name lists.
const LISTED: usize = 5;

/// A run, as arguments say it.
#[derive(clap::Args)]
pub struct WhichRun {
    /// Folder of a run or its name, or a record.jsonl [default: the newest run]
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    /// Where the folders of runs are [default: target/multivm]
    #[arg(long, env = "MULTIVM_RESULTS", value_name = "PATH")]
    results: Option<PathBuf>,
}

impl WhichRun {
    /// The run's folder, or the record that the user named.
    pub fn find(&self) -> Result<PathBuf, Problem> {
        // An empty variable counts as not set, as everywhere.
        let results = self.results.clone().filter(|path| !path.as_os_str().is_empty());
        let results = results.unwrap_or_else(RunFolder::default_root);
        let wanted = match &self.run {
            Some(run) if run.exists() => return Ok(run.clone()),
            Some(run) => results.join(run),
            None => latest(&results),
        };
        if wanted.exists() { Ok(wanted) } else { Err(Problem::Input(no_such_run(&wanted, &results))) }
    }
}

fn no_such_run(wanted: &Path, results: &Path) -> String {
    let mut names: Vec<String> = fs::read_dir(results)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name() != LATEST)
        .filter(|entry| entry.path().join(FILE_NAME).exists() || !parts_of(&entry.path()).is_empty())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names.truncate(LISTED);
    let there = if names.is_empty() {
        format!("there is no run in {}; cargo test starts one", results.display())
    } else {
        format!("the newest in {} are {}", results.display(), names.join(", "))
    };
    format!(
        "error: there is no run {}\n  = note: {there}\n  = help: give the folder of a run, or say with --results or \
         MULTIVM_RESULTS where runs are",
        wanted.display()
    )
}
