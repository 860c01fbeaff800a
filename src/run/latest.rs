//! Keeps the link `latest` from leading to a run of another command.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use crate::failure::{Attempt, Result};
use crate::ledger::Owner;
use crate::record::{self, WriterProcess};
use crate::sys::disk::Disk;

/// Removes the link `latest` if it leads to a run from before a command of this age, and returns whether it did.
///
/// The link stays if the run goes on: then another command is at work, and multivm refuses this one.
///
/// # Errors
///
/// The link cannot be removed.
pub fn withdraw_latest(results: &Path, age: Duration) -> Result<bool> {
    let results = results.to_owned();
    let attempted = format!("take `latest` away in {}", results.display());
    Disk::of(&results).within(&attempted.clone(), move || {
        if goes_on(&record::latest(&results)) {
            return Ok(false);
        }
        record::withdraw_latest(&results, age).attempting(|| attempted)
    })
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
