//! `latest`: never a run that this command did not make.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use procfs::{Current, Uptime};

use super::ancestors::ancestors;
use super::nextest;
use crate::failure::{Attempt, Result};
use crate::ledger::Owner;
use crate::record::{self, WriterProcess};
use crate::sys::process;

/// Takes `latest` away from an earlier command's run. Whether it was one's.
///
/// `cargo test` starts several programs: the run that an earlier one of them made is this command's, and stays. So does the
/// link to a run that goes on: another command is at work, and this one would be refused.
///
/// # Errors
/// When the link cannot be removed.
pub(super) fn withdraw(results: &Path) -> Result<bool> {
    if goes_on(&record::latest(results)) {
        return Ok(false);
    }
    record::withdraw_latest(results, age_of_the_command())
        .attempting(|| format!("take `latest` away in {}", results.display()))
}

/// Whether a process still writes the record of a run, or one of those that belong together in its folder.
fn goes_on(run: &Path) -> bool {
    let records = record::parts_of(run).into_iter().chain([run.to_owned()]);
    records.filter_map(|record| writer(&record)).any(|writer| writer.is_alive())
}

/// The process that wrote a record, by its first line.
fn writer(record: &Path) -> Option<Owner> {
    let record = if record.is_dir() { record.join(record::FILE_NAME) } else { record.to_owned() };
    let mut first = String::new();
    BufReader::new(File::open(record).ok()?).read_line(&mut first).ok()?;
    let process = serde_json::from_str::<serde_json::Value>(&first).ok()?.get("process")?.clone();
    let WriterProcess { pid, start_ticks: start } = serde_json::from_value(process).ok()?;
    Some(Owner { pid, start })
}

/// Takes `latest` away for a command that plays nothing. What to say of it; nothing if no link was there.
pub(super) fn withdrawn(results: &Path) -> Option<String> {
    let latest = record::latest(results);
    match withdraw(results) {
        Ok(true) => Some(format!("{} led to an earlier run, and is gone", latest.display())),
        Ok(false) => None,
        Err(failure) => Some(failure.to_string()),
    }
}

/// Whether nextest lists the scenarios in order to run some: no process of ours learns how many.
pub(super) fn nextest_is_about_to_run() -> bool {
    let parent = nix::unistd::getppid().as_raw();
    let Some((pid, _)) = ancestors(parent).find(|(_, name)| name == nextest::PROGRAM) else { return false };
    process::arguments(pid).iter().any(|word| word == "run" || word == "r")
}

/// Time since the command began that this process belongs to: cargo's, if that is its parent, else its own.
fn age_of_the_command() -> Duration {
    let mut above = ancestors(std::process::id() as i32).skip(1).filter(|(_, name)| name != "sudo");
    let cargo = above.next().filter(|(_, name)| name == "cargo" || name == nextest::PROGRAM);
    age_of(cargo.map_or(std::process::id() as i32, |(pid, _)| pid)).unwrap_or_default()
}

/// Time since the start of a process.
fn age_of(pid: i32) -> Option<Duration> {
    let started = Owner::of(pid)?.start as f64 / procfs::ticks_per_second() as f64;
    Duration::try_from_secs_f64(Uptime::current().ok()?.uptime - started).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_older() {
        let (mine, parents) =
            (age_of(std::process::id() as i32).unwrap(), age_of(nix::unistd::getppid().as_raw()));
        assert!(parents.unwrap() >= mine && mine < Duration::from_secs(3600));
        assert!(age_of_the_command() >= mine);
    }
}
