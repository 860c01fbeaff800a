//! `multivm compare`: what changed between two runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use multivm::record::ReportError;
use multivm::report::compare::{Comparison, Format, Run, write};

use crate::problem::{Answer, Problem};

/// Exit status: 0 no regression, 1 a regression, 2 bad input.
#[derive(clap::Args)]
#[command(after_help = "\
Exit status: 0 no regression; 1 a regression: something got worse beyond noise, or a scenario that passed fails; 2 bad \
input: a run cannot be read, or the two have no scenario in common.

For `git bisect run`, where 125 means that a commit cannot be tested:
  cargo test --test migration -- --exact NAME
  multivm compare good-run target/multivm/latest; s=$?; [ $s -eq 2 ] && s=125; exit $s")]
pub struct Arguments {
    /// Folder or record.jsonl of the run to compare with
    base: PathBuf,
    /// Folder or record.jsonl of the run that may be worse
    new: PathBuf,
    /// How to tell it
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    /// Write it to this file; the verdict alone goes to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// For people: the worst first
    Text,
    /// Everything, versioned
    Json,
    /// One page that needs no other file
    Html,
}

pub fn run(arguments: &Arguments) -> Answer {
    let base = load(&arguments.base)?;
    let new = load(&arguments.new)?;
    let [base_path, new_path] = [&arguments.base, &arguments.new].map(|path| path.display().to_string());
    let comparison = Comparison::of((&base, &base_path), (&new, &new_path)).ok_or_else(|| {
        Problem::Input(format!(
            "error: cannot compare {base_path} with {new_path}: they have no scenario in common ({} and {} scenarios); \
             give two runs of the same selection",
            base.scenarios.len(),
            new.scenarios.len()
        ))
    })?;
    let format = match arguments.format {
        Form::Text => Format::Text,
        Form::Json => Format::Json,
        Form::Html => Format::Html,
    };
    let rendered = comparison.render(format).map_err(input)?;
    match &arguments.output {
        Some(path) => {
            write(path, &rendered).map_err(input)?;
            crate::say(&format!("{}\n", comparison.headline()))?;
        }
        None => {
            crate::say(&rendered)?;
        }
    }
    Ok(if comparison.regression { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn load(path: &Path) -> Result<Run, Problem> {
    Run::load(path).map_err(input)
}

/// Status 1 says that something got worse: whatever else went wrong must not.
fn input(error: ReportError) -> Problem {
    Problem::Input(format!("error: {error}"))
}
