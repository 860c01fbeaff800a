//! `multivm compare`: the differences between the runs of two stacks.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use multivm::record::write_atomically;
use multivm::report::compare::{ComparedRun, Comparison, Format};

use crate::problem::{Answer, Problem};

/// Exit status: 0 no regression, 1 a regression, 2 bad input, or a NEW that was stopped too early to tell.
#[derive(clap::Args)]
#[command(
    override_usage = "multivm compare [OPTIONS] BASE NEW\n       multivm compare [OPTIONS] --base A B C --new D E F",
    after_help = "\
Each run is a folder, or its record.jsonl; a merged record and the folder of a nextest run count as one. Several runs a side \
tell a slower stack from a busy machine: with 3 and 3 single scenarios are judged, too. Take turns: A D B E C F.

Exit status: 0 no regression; 1 a regression: something got worse beyond noise, or a scenario that passed fails, is refused or \
has an error; 2 it cannot be told: a run cannot be read or is given twice, the runs of a side are of different profiles, the \
sides have no scenario in common, no scenario that passed or failed in BASE did so in NEW, or NEW was interrupted or cut off \
before some of them and the others show no regression. Scenarios that a run which ended does not have count as not selected.

For `git bisect run`, where 125 means that a commit cannot be tested:
  for n in 1 2 3; do MULTIVM_RESULTS=bisect-$n cargo test --test migration -- --exact NAME; done
  multivm compare --base good-1 good-2 good-3 --new bisect-1/latest bisect-2/latest bisect-3/latest
  s=$?; [ $s -eq 2 ] && s=125; exit $s"
)]
pub struct Arguments {
    /// The run to compare with, and the run that may be worse
    #[arg(value_names = ["BASE", "NEW"], num_args = 2, required_unless_present_any = ["base", "new"])]
    pair: Vec<PathBuf>,
    /// Runs to compare with
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "new", conflicts_with = "pair")]
    base: Vec<PathBuf>,
    /// Runs that may be worse
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "base", conflicts_with = "pair")]
    new: Vec<PathBuf>,
    /// How to tell it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write it to this file; the verdict alone goes to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Answer {
    let (base, new) = match &arguments.pair[..] {
        [base, new] => (vec![base], vec![new]),
        _ => (arguments.base.iter().collect(), arguments.new.iter().collect()),
    };
    let comparison = Comparison::of(&load(&base)?, &load(&new)?).map_err(input)?;
    let rendered = comparison.render(arguments.format).map_err(input)?;
    match &arguments.output {
        Some(path) => {
            write_atomically(path, rendered.as_bytes()).map_err(input)?;
            crate::say(&format!("{}\n", comparison.headline()))?;
        }
        None => {
            crate::say(&rendered)?;
        }
    }
    Ok(match comparison.undecided {
        _ if comparison.regression => ExitCode::FAILURE,
        Some(_) => ExitCode::from(2),
        None => ExitCode::SUCCESS,
    })
}

fn load(paths: &[&PathBuf]) -> Result<Vec<ComparedRun>, Problem> {
    paths.iter().map(|path| ComparedRun::load(Path::new(path)).map_err(input)).collect()
}

/// Makes any failure bad input (status 2), because status 1 means that something got worse.
fn input(error: impl std::fmt::Display) -> Problem {
    Problem::Input(format!("error: {error}"))
}
