//! `multivm report` and `multivm junit`: reports of a run, made again from its record.

use std::path::{Path, PathBuf};

use multivm::failure::Failure;
use multivm::report::{ReportError, RunFolder, html as page, junit as xml};

use crate::problem::{Answer, Problem};

#[derive(clap::Args)]
pub struct Html {
    #[command(flatten)]
    run: Run,
    /// Where the report goes [default: report.html beside the record]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Junit {
    #[command(flatten)]
    run: Run,
    /// Where the XML goes [default: junit.xml beside the record]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Which run.
#[derive(clap::Args)]
struct Run {
    /// Folder of a run, or its record.jsonl; also of a run that was cut off, or is under way [default: the last run, `latest`
    /// in target/multivm or in what MULTIVM_RESULTS names]
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    #[arg(long, env = "MULTIVM_RESULTS", hide = true)]
    results: Option<PathBuf>,
}

impl Run {
    /// The record.
    fn record(&self) -> Result<PathBuf, Problem> {
        let last = || {
            let root = self.results.clone().filter(|path| !path.as_os_str().is_empty());
            root.unwrap_or_else(RunFolder::default_root).join("latest")
        };
        let run = self.run.clone().unwrap_or_else(last);
        let record = if run.is_dir() { run.join("record.jsonl") } else { run };
        if record.is_file() {
            return Ok(record);
        }
        Err(Problem::Input(format!(
            "error: there is no record {}: RUN is the folder of a run, as target/multivm/latest, or its record.jsonl",
            record.display()
        )))
    }
}

pub fn html(arguments: &Html) -> Answer {
    let record = arguments.run.record()?;
    let output = arguments.output.clone().unwrap_or_else(|| record.with_file_name("report.html"));
    answer(page::write_from_record(&record, &output), &output)
}

pub fn junit(arguments: &Junit) -> Answer {
    let record = arguments.run.record()?;
    let output = arguments.output.clone().unwrap_or_else(|| record.with_file_name("junit.xml"));
    let written = xml::outcomes_from_record(&record)
        .and_then(|(header, outcomes)| xml::write(&output, &header, &outcomes));
    answer(written, &output)
}

/// Says where the report is. A record that cannot be understood is bad input, and nothing was written.
fn answer(written: Result<(), ReportError>, output: &Path) -> Answer {
    match written {
        Ok(()) => crate::say(&format!("{}\n", output.display())),
        Err(error @ (ReportError::Line { .. } | ReportError::Version { .. } | ReportError::NoRun { .. })) => {
            Err(Problem::Input(format!("error: {error}")))
        }
        Err(error) => Err(Failure::new("make the report", error).into()),
    }
}
