//! The command line of the test target: libtest's, with several filters, and the options of a run.

use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};
use libtest_mimic::Arguments;

use super::latest;
use super::request::Request;
use crate::record::RunFolder;
use crate::run::RunOptions;
use crate::scenario::Selection;
use crate::sys::terminal;
use crate::sys::unset::without_empty_variables;

#[derive(Debug, Parser)]
#[command(name = "migration", about = "The live-migration scenarios of multivm")]
struct CommandLine {
    #[command(flatten)]
    options: RunOptions,

    #[command(flatten)]
    libtest: Arguments,
}

/// Parses the command line. libtest-mimic takes one filter; multivm takes any number, and a scenario must match one of them.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Request, ExitCode> {
    let command = CommandLine::command().mut_arg("filter", |filter| {
        filter.num_args(0..).action(ArgAction::Append).help("Run scenarios whose name contains one of these")
    });
    let command = without_empty_variables(command);
    let arguments: Vec<String> = arguments.collect();
    let parsed = command.clone().try_get_matches_from(&arguments).and_then(|matches| {
        let filters: Vec<String> =
            matches.get_many::<String>("filter").into_iter().flatten().cloned().collect();
        Ok((CommandLine::from_arg_matches(&matches)?, filters))
    });
    let (CommandLine { options, mut libtest }, filters) = parsed.map_err(|error| {
        let _ = error.print();
        // --help is no mistake.
        if !error.use_stderr() {
            return ExitCode::SUCCESS;
        }
        let rest = command.ignore_errors(true).try_get_matches_from(&arguments);
        let folder = rest.ok().and_then(|matches| matches.get_one("results").cloned());
        if let Some(note) = latest::withdrawn(&folder.unwrap_or_else(RunFolder::default_root)) {
            terminal::say(&format!("  = note: {note}"));
        }
        ExitCode::from(2)
    })?;
    let selection = Selection {
        filters,
        skip: std::mem::take(&mut libtest.skip),
        exact: std::mem::take(&mut libtest.exact),
    };
    libtest.filter = None;
    Ok(Request { options, libtest, selection })
}

/// The arguments with one test thread, because all scenarios share one pair of hosts.
pub fn one_at_a_time(arguments: &Arguments) -> Arguments {
    if arguments.test_threads.is_some_and(|threads| threads > 1) {
        terminal::say(
            "multivm: scenarios share one pair of hosts and run one at a time; --test-threads is not used",
        );
    }
    Arguments { test_threads: Some(1), ..arguments.clone() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn request(arguments: &[&str]) -> Request {
        parse(std::iter::once("migration").chain(arguments.iter().copied()).map(str::to_owned)).unwrap()
    }

    #[test]
    fn several_filters_and_skips_are_one_selection() {
        let request = request(&["orderly", "cross", "--skip", "memory", "--nocapture", "--junit", "x.xml"]);
        assert_eq!(request.selection.filters, ["orderly", "cross"]);
        assert_eq!(request.selection.skip, ["memory"]);
        assert_eq!(request.libtest.filter, None);
        assert_eq!(request.options.junit, Some(PathBuf::from("x.xml")));
    }

    #[test]
    fn what_nextest_passes_is_understood() {
        let running = request(&["precopy_orderly::in_vms::stress_cpu", "--exact", "--nocapture"]);
        assert!(running.selection.exact && !running.lists_for_people());
        let listing = request(&["--list", "--format", "terse", "--ignored"]);
        assert!(listing.libtest.list && !listing.lists_for_people());
    }

    #[test]
    fn a_part_is_asked_for() {
        assert!(request(&[]).options.shard.is_whole());
        assert_eq!(request(&["--shard", "2/4"]).options.shard.to_string(), "2/4");
        let wrong = ["migration", "--shard", "5/4"].map(str::to_owned);
        assert!(parse(wrong.into_iter()).is_err());
    }

    #[test]
    fn people_are_told_the_sets_with_the_list() {
        assert!(request(&["--list"]).lists_for_people());
        assert!(!request(&["--list", "--quiet"]).lists_for_people());
        assert!(!request(&[]).lists_for_people());
    }
}
