//! `multivm report` and `multivm junit`: make reports of a run again from its record.

use std::path::{Path, PathBuf};

use multivm::failure::Failure;
use multivm::record::{HTML_FILE, JUNIT_FILE, ReportError, results_from_record};
use multivm::report::{html as page, junit as xml};

use crate::problem::{Answer, Problem};
use crate::which_run::WhichRun;

#[derive(clap::Args)]
pub struct Html {
    #[command(flatten)]
    run: WhichRun,
    /// Where the report goes [default: report.html beside the record]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Junit {
    #[command(flatten)]
    run: WhichRun,
    /// Where the XML goes [default: junit.xml beside the record]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A run, and the path of its report: `output`, or beside the run's record by default, or in the folder of several runs
/// that belong together.
fn run_and_output(
    run: &WhichRun,
    output: Option<&PathBuf>,
    name: &str,
) -> Result<(PathBuf, PathBuf), Problem> {
    let run = run.find()?;
    let beside = if run.is_dir() { run.join(name) } else { run.with_file_name(name) };
    Ok((run, output.cloned().unwrap_or(beside)))
}

pub fn html(arguments: &Html) -> Answer {
    let (run, output) = run_and_output(&arguments.run, arguments.output.as_ref(), HTML_FILE)?;
    answer(page::write_from_record(&run, &output), &output)
}

pub fn junit(arguments: &Junit) -> Answer {
    let (run, output) = run_and_output(&arguments.run, arguments.output.as_ref(), JUNIT_FILE)?;
    answer(results_from_record(&run).and_then(|results| xml::write(&output, &results)), &output)
}

/// Prints the path of the report. An incomprehensible record is bad input, and then no report exists.
fn answer(written: Result<(), ReportError>, output: &Path) -> Answer {
    match written {
        Ok(()) => crate::say(&format!("{}\n", output.display())),
        Err(error @ (ReportError::Line { .. } | ReportError::Version { .. } | ReportError::NoRun { .. })) => {
            Err(Problem::input(error))
        }
        Err(error) => Err(Failure::new("make the report", error).into()),
    }
}
