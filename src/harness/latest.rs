//! Keeps the link `latest` from leading to a run of another command.

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

/// Removes the link `latest` if it leads to an earlier command's run, and returns whether it did.
///
/// `cargo test` starts several programs. The link stays if an earlier one of them made the run. It also stays if the run
/// goes on: then another command is at work, and multivm refuses this one.
///
/// # Errors
///
/// The link cannot be removed.
pub(super) fn withdraw(results: &Path) -> Result<bool> {
    if goes_on(&record::latest(results)) {
        return Ok(false);
    }
    record::withdraw_latest(results, age_of_the_command())
        .attempting(|| format!("take `latest` away in {}", results.display()))
}

/// Whether a process still writes a run's record, or one of the records in a group's folder.
fn goes_on(run: &Path) -> bool {
    let records = record::parts_of(run).into_iter().chain([run.to_owned()]);
    records.filter_map(|record| writer(&record)).any(|writer| writer.is_alive())
}

/// The process that wrote a record, by the record's first line.
fn writer(record: &Path) -> Option<Owner> {
    let record = if record.is_dir() { record.join(record::FILE_NAME) } else { record.to_owned() };
    let mut first = String::new();
    BufReader::new(File::open(record).ok()?).read_line(&mut first).ok()?;
    let process = serde_json::from_str::<serde_json::Value>(&first).ok()?.get("process")?.clone();
    let WriterProcess { pid, start_ticks: start } = serde_json::from_value(process).ok()?;
    Some(Owner { pid, start })
}

/// Removes `latest` for a command that plays nothing, and returns the message about it; none without a link.
pub(super) fn withdrawn(results: &Path) -> Option<String> {
    let latest = record::latest(results);
    match withdraw(results) {
        Ok(true) => Some(format!("{} led to an earlier run, and is gone", latest.display())),
        Ok(false) => None,
        Err(failure) => Some(failure.to_string()),
    }
}

/// Whether nextest lists the scenarios because it will run some: none of our processes learns how many.
pub(super) fn nextest_is_about_to_run() -> bool {
    let parent = nix::unistd::getppid().as_raw();
    let Some((pid, _)) = ancestors(parent).find(|(_, name)| name == nextest::PROGRAM) else { return false };
    process::arguments(pid).iter().any(|word| word == "run" || word == "r")
}

/// The age of the command that this process belongs to: cargo's if cargo is its parent, otherwise its own.
fn age_of_the_command() -> Duration {
    let mut above = ancestors(std::process::id() as i32).skip(1).filter(|(_, name)| name != "sudo");
    let cargo = above.next().filter(|(_, name)| name == "cargo" || name == nextest::PROGRAM);
    age_of(cargo.map_or(std::process::id() as i32, |(pid, _)| pid)).unwrap_or_default()
}

/// The age of a process.
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
