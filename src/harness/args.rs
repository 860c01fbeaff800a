//! The command line of the test target: libtest's, with several filters, and multivm's own options.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};
use libtest_mimic::{Arguments, FormatSetting};

use super::latest;
use crate::failure::Problem;
use crate::inventory::catalogue::CATALOGUE_VARIABLE;
use crate::plan::{SEED_VARIABLE, Seed};
use crate::record::RunFolder;
use crate::scenario::{
    RunIgnored, SHARD_VARIABLE, SIZING_VARIABLE, Selection, Set, Shard, Wish, sizing_switch,
};
use crate::sys::unset::without_empty_variables;

/// Options of our own. Each has an environment twin, because `cargo test -- --option` also hands it to the unit
/// tests' harness, which rejects what it does not know.
#[derive(Debug, Parser)]
#[command(name = "migration", about = "The live-migration scenarios of multivm")]
pub struct RunOptions {
    /// Also write JUnit XML here; the run's folder always has one
    #[arg(long, env = "MULTIVM_JUNIT", value_name = "PATH")]
    pub junit: Option<PathBuf>,

    /// Run only the scenarios of this set of scenarios.toml
    #[arg(long, env = "MULTIVM_SET", value_name = "NAME", default_value = "all")]
    pub set: String,

    /// Run every scenario with every size of guests that scenarios.toml declares, in place of the profile's
    #[arg(long, env = SIZING_VARIABLE, value_parser = sizing_switch)]
    pub sizing: bool,

    /// Run one part of the selection, as 2/4: for several machines, each with a part of its own
    #[arg(long, env = SHARD_VARIABLE, value_name = "PART/PARTS", default_value_t = Shard::WHOLE)]
    pub shard: Shard,

    /// Replay the choices of a run: the seed that it printed. Without one a seed is chosen
    #[arg(long, env = SEED_VARIABLE, value_name = "NUMBER")]
    pub seed: Option<Seed>,

    /// Sizes, counts and times: a profile of scenarios.toml
    ///
    /// [default: lab, or reference with an inventory]
    #[arg(long, env = "MULTIVM_PROFILE", value_name = "NAME")]
    pub profile: Option<String>,

    /// Boot the guests that this catalogue lists, of its images, in place of equal ones
    #[arg(long, env = CATALOGUE_VARIABLE, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,

    /// Run on hosts of this inventory instead of this machine's lab
    #[arg(long, env = "MULTIVM_INVENTORY", value_name = "FILE")]
    pub inventory: Option<PathBuf>,

    /// The pair of the inventory, by its name or by a label that no other pair has
    #[arg(long, env = "MULTIVM_PAIR", value_name = "NAME")]
    pub pair: Option<String>,

    /// The scenario file
    #[arg(long, env = "MULTIVM_SCENARIOS", value_name = "PATH")]
    pub scenarios: Option<PathBuf>,

    /// Where the folders of runs go
    #[arg(long, env = "MULTIVM_RESULTS", value_name = "PATH")]
    pub results: Option<PathBuf>,

    /// For the first scenario of each mode and order, also measure its migrations alone, without any proof
    #[arg(long, env = "MULTIVM_FLOOR", value_parser = clap::builder::FalseyValueParser::new())]
    pub floor: bool,

    #[command(flatten)]
    pub libtest: Arguments,
}

impl RunOptions {
    /// The folder for the folders of runs.
    pub fn results(&self) -> PathBuf {
        self.results.clone().unwrap_or_else(RunFolder::default_root)
    }

    /// A mistake plays nothing, so no earlier run may pass for this command's: takes `latest` away, and says so. A list plays
    /// nothing on purpose, and leaves it.
    pub fn withdraw_for(&self, problem: Problem) -> Problem {
        match problem {
            Problem::Input(message) if !self.libtest.list => {
                let note = latest::withdrawn(&self.results()).map(|note| format!("\n  = note: {note}"));
                Problem::Input(message + &note.unwrap_or_default())
            }
            problem => problem,
        }
    }

    /// Whether the list of scenarios is for people, who also want the sets. A terse list is for programs, such as nextest.
    pub fn lists_for_people(&self) -> bool {
        let terse = self.libtest.quiet || matches!(self.libtest.format, Some(FormatSetting::Terse));
        self.libtest.list && !terse
    }
}

/// The parsed arguments.
#[derive(Debug)]
pub struct Request {
    pub options: RunOptions,
    pub selection: Selection,
}

impl Request {
    /// Whether the user asks for cases beyond the matrix.
    pub fn asked(&self) -> RunIgnored {
        let libtest = &self.options.libtest;
        RunIgnored::by_flags(libtest.ignored, libtest.include_ignored)
    }

    /// The user's wish from a set.
    pub fn wish<'a>(&'a self, set: &'a Set) -> Wish<'a> {
        Wish { set, selection: &self.selection, asked: self.asked(), shard: self.options.shard }
    }
}

/// Parses the command line. libtest-mimic takes one filter; multivm takes any number, and a scenario must match one of them.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Request, ExitCode> {
    let command = RunOptions::command().mut_arg("filter", |filter| {
        filter.num_args(0..).action(ArgAction::Append).help("Run scenarios whose name contains one of these")
    });
    let command = without_empty_variables(command);
    let arguments: Vec<String> = arguments.collect();
    let parsed = command.clone().try_get_matches_from(&arguments).and_then(|matches| {
        let filters: Vec<String> =
            matches.get_many::<String>("filter").into_iter().flatten().cloned().collect();
        Ok((RunOptions::from_arg_matches(&matches)?, filters))
    });
    let (mut options, filters) = parsed.map_err(|error| {
        let _ = error.print();
        // --help is no mistake.
        if !error.use_stderr() {
            return ExitCode::SUCCESS;
        }
        let rest = command.ignore_errors(true).try_get_matches_from(&arguments);
        let folder = rest.ok().and_then(|matches| matches.get_one("results").cloned());
        if let Some(note) = latest::withdrawn(&folder.unwrap_or_else(RunFolder::default_root)) {
            eprintln!("  = note: {note}");
        }
        ExitCode::from(2)
    })?;
    let selection = Selection {
        filters,
        skip: std::mem::take(&mut options.libtest.skip),
        exact: std::mem::take(&mut options.libtest.exact),
    };
    options.libtest.filter = None;
    Ok(Request { options, selection })
}

/// The arguments with one test thread, because all scenarios share one pair of hosts.
pub fn one_at_a_time(arguments: &Arguments) -> Arguments {
    if arguments.test_threads.is_some_and(|threads| threads > 1) {
        eprintln!(
            "multivm: scenarios share one pair of hosts and run one at a time; --test-threads is not used"
        );
    }
    Arguments { test_threads: Some(1), ..arguments.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(arguments: &[&str]) -> Request {
        parse(std::iter::once("migration").chain(arguments.iter().copied()).map(str::to_owned)).unwrap()
    }

    #[test]
    fn several_filters_and_skips_are_one_selection() {
        let request = request(&["orderly", "cross", "--skip", "memory", "--nocapture", "--junit", "x.xml"]);
        assert_eq!(request.selection.filters, ["orderly", "cross"]);
        assert_eq!(request.selection.skip, ["memory"]);
        assert_eq!(request.options.libtest.filter, None);
        assert_eq!(request.options.junit, Some(PathBuf::from("x.xml")));
    }

    #[test]
    fn what_nextest_passes_is_understood() {
        let running = request(&["precopy_orderly::in_vms::stress_cpu", "--exact", "--nocapture"]);
        assert!(running.selection.exact && !running.options.lists_for_people());
        let listing = request(&["--list", "--format", "terse", "--ignored"]);
        assert!(listing.options.libtest.list && !listing.options.lists_for_people());
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
        assert!(request(&["--list"]).options.lists_for_people());
        assert!(!request(&["--list", "--quiet"]).options.lists_for_people());
        assert!(!request(&[]).options.lists_for_people());
    }
}
