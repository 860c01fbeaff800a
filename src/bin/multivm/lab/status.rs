//! `multivm lab status`: tells what is up, and who is at work.

use std::fmt::Write;
use std::path::Path;

use multivm::failure::Result;
use multivm::ledger::state_directory;
use multivm::stand::{Occupancy, StandKind, Status, pair, summary};

use crate::problem::Answer;

/// Tells what is up, without the lock: a user may ask while a run goes on.
pub fn run() -> Answer {
    let directory = state_directory();
    let status = Status::look(&directory)?;
    let mut text = match status.state() {
        Occupancy::Nothing => "No lab is up, and nothing is left of earlier runs.\n".to_owned(),
        Occupancy::Busy if status.things.is_empty() => "No lab is up.\n".to_owned(),
        Occupancy::Busy => format!("A run is under way and has: {}.\n", summary(&status.things)),
        Occupancy::Left => format!(
            "No whole lab is up; left of a run or of a lab: {}.\n`multivm reap` clears it, and so does the next run.\n",
            summary(&status.things)
        ),
        Occupancy::Up => match describe(StandKind::of(&status.things, &directory)) {
            Ok(text) => text,
            Err(failure) if !nix::unistd::geteuid().is_root() => {
                format!(
                    "Hosts are up. More is for root to see: sudo multivm lab status ({})\n",
                    failure.cause
                )
            }
            Err(failure) => return Err(failure.into()),
        },
    };
    // Writing to a String cannot fail.
    if let (Occupancy::Up, Some(until)) = (status.state(), &status.until) {
        let _ = writeln!(text, "\nIt stays up until {until} ends; `multivm lab up` keeps it.");
    }
    if let Some(holder) = &status.holder {
        let _ = writeln!(text, "\nAt work: {holder}");
    }
    if !status.things.is_empty() {
        let _ = writeln!(text, "\nIn the ledger ({}):", directory.join("ledger.jsonl").display());
        for thing in &status.things {
            let _ = writeln!(text, "  {thing}");
        }
    }
    for directory in pair::states() {
        text += &of_pair(&directory)?;
    }
    if pair::are_hidden() {
        text += "\nWhat there is of hosts by inventory is for root to see: sudo multivm lab status\n";
    }
    crate::say(&text)
}

/// What there is of hosts by inventory; nothing if nothing is left and nobody is at work.
fn of_pair(directory: &Path) -> Result<String> {
    let status = Status::look(directory)?;
    let begin = match status.state() {
        Occupancy::Nothing => return Ok(String::new()),
        Occupancy::Busy => "At work on hosts by inventory",
        Occupancy::Up => "Hosts by inventory are prepared, for the next process of a run",
        Occupancy::Left => {
            "Left of a run on hosts by inventory; `multivm reap` puts them back, and so does the next run there"
        }
    };
    let things: String = status.things.iter().map(|thing| format!("  {thing}\n")).collect();
    let holder = status.holder.map_or(String::new(), |holder| format!("  {holder}\n"));
    Ok(format!("\n{begin} ({}):\n{holder}{things}", directory.display()))
}

/// The hosts that are up, and the ways to reach them.
fn describe(kind: StandKind) -> Result<String> {
    Ok(format!("{} up.\n\n{}", kind.row().they_are, (kind.made().reach)()?))
}
