//! `multivm merge`: merges the records of several runs, parts of one matrix, into the record of one.

use std::fmt::Write;
use std::path::PathBuf;

use multivm::record::{Event, HTML_FILE, JUNIT_FILE, merge, results_from_record, write_merged};
use multivm::report::{html, junit};
use multivm::sys::words::counted;

use crate::problem::{Answer, Problem};

#[derive(clap::Args)]
pub struct Arguments {
    /// Folders of runs, their records, or folders that have folders of runs in them
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Folder for the merged record, its JUnit and its HTML report; it is created and must have no record yet
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> Answer {
    let name = arguments.output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let events = merge(&name, &arguments.runs).map_err(Problem::input)?;
    write_merged(&arguments.output, &events).map_err(Problem::input)?;
    html::write_from_record(&arguments.output, &arguments.output.join(HTML_FILE)).map_err(Problem::input)?;
    let results = results_from_record(&arguments.output).map_err(Problem::input)?;
    junit::write(&arguments.output.join(JUNIT_FILE), &results).map_err(Problem::input)?;

    let parts: Vec<_> = events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::PartStarted(part) => Some(part),
            _ => None,
        })
        .collect();
    let mut text = String::new();
    let mut line = |what: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{what}");
    };
    line(format!(
        "{} of {}, in {}",
        counted(results.outcomes.len(), "scenario", "scenarios"),
        counted(parts.len(), "part", "parts"),
        arguments.output.display()
    ));
    if let Some(lost) = &results.lost {
        line(format!("the record is not whole: {lost}"));
    }
    for part in &parts {
        if !part.complete {
            line(format!("{}: cut off; what it was at has no result", part.run));
        }
        if let Some(first) = part.again.first() {
            let which = match part.again.len() {
                1 => first.clone(),
                several => format!("{several} scenarios, {first} the first"),
            };
            line(format!("{}: has again what an earlier part has: {which}", part.run));
        }
    }
    let mut differing: Vec<&String> = parts.iter().flat_map(|part| part.stack.keys()).collect();
    differing.sort();
    differing.dedup();
    for fact in differing {
        line(format!(
            "not the same everywhere: {fact}: {}",
            results.header.stack.get(fact).map_or("", String::as_str)
        ));
    }
    if parts.iter().any(|part| part.profile.is_some()) {
        line("not the same everywhere: the profile; each part_started of the record has its own".to_owned());
    }
    crate::say(&text)
}
