//! JUnit XML, for CI: a view of the record.
//!
//! One suite, `multivm`, with one case per scenario. Choices that are not obvious:
//!
//! - **`name` is the scenario's full name**, so that what a CI page shows can be pasted after `--exact`, and so that the
//!   file can be merged by name with the one of cargo-nextest, which writes the same names.
//! - **`classname` is `multivm.` and the name's front part with dots**: `multivm.postcopy_cross.in_vms`. Jenkins makes
//!   packages and classes of the dots, so its tree is suite, mode and order, place. GitLab shows it as the suite of a
//!   case, and does not show the suite's own name.
//! - **Names are unique.** GitLab drops all but the first of equal names, and with them perhaps the one that failed. The
//!   second run of a scenario is `NAME #2`.
//! - **`<failure>` is about the guests, `<error>` about the environment** or a scenario that began and has no result.
//!   Ignored, interrupted and not run are `<skipped>`; what was interrupted proves nothing, either way.
//! - **Numbers are `<properties>` of the case**, which Jenkins' JUnit plugin keeps on request (`keepProperties`).
//! - **Evidence is `[[ATTACHMENT|path]]`**, one line per file, of what did not pass. GitLab shows the first, and wants
//!   it relative to the project; Jenkins' attachments plugin takes all, and wants them absolute. The paths are as in the
//!   outcome: a relative results folder suits the one, an absolute one the other.
//!
//! Element order and attributes follow `junit-10.xsd` of Jenkins' xUnit plugin, with two additions that its JUnit plugin
//! and GitLab read or skip: the `properties` of a case, and `skipped` on the root, which quick-junit always writes.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::unfinished::Unfinished;
use super::{Event, ReportError, RunHeader, atomic, read};
use crate::outcome::{Outcome, Verdict, rfc3339_text};

/// Name of the report and of its one suite; also the first part of every `classname`.
const SUITE: &str = "multivm";

/// Characters of one failure text. GitLab refuses files over 30 MB: 328 scenarios x 64 Ki characters is 21 MB of ASCII.
const LONGEST_TEXT: usize = 64 * 1024;

/// Files of one evidence folder that are attached. More help nobody, and each is a line in the page.
const MOST_ATTACHMENTS: usize = 50;

/// The JUnit XML of these outcomes, in their order.
///
/// # Errors
/// When quick-junit cannot write it, which no content is known to cause.
pub fn render(header: &RunHeader, outcomes: &[Outcome]) -> Result<String, ReportError> {
    let mut suite = TestSuite::new(SUITE);
    suite.add_property(("run".to_string(), clean(&header.run)));
    suite.add_property(("command".to_string(), clean(&header.command.join(" "))));
    for (fact, value) in &header.stack {
        suite.add_property((clean(fact), clean(value)));
    }
    if !header.profile.is_null() {
        suite.add_property(("profile".to_string(), clean(&header.profile.to_string())));
    }
    let mut runs_of: HashMap<&str, u32> = HashMap::new();
    for outcome in outcomes {
        let run = runs_of.entry(&outcome.scenario).or_default();
        *run += 1;
        suite.add_test_case(case(outcome, *run));
    }

    let mut report = Report::new(SUITE);
    if let Some((start, time)) = span(outcomes) {
        // Parsed into the type of the field: quick-junit's time type is chrono's, which we do not otherwise need.
        suite.timestamp = rfc3339_text(start).parse().ok();
        suite.set_time(time);
        report.set_time(time);
    }
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

/// Writes [`render`]'s XML to `path`, which at every moment is whole.
///
/// # Errors
/// When it cannot be made or written.
pub fn write(path: &Path, header: &RunHeader, outcomes: &[Outcome]) -> Result<(), ReportError> {
    atomic::write(path, render(header, outcomes)?.as_bytes())
}

/// The JUnit XML of a run, from its record alone. `record` is the file or the run's folder.
///
/// A scenario that began and has no result becomes an `<error>` that says where the record ends.
///
/// # Errors
/// When the record cannot be read, or has no beginning.
pub fn junit_from_record(record: &Path) -> Result<String, ReportError> {
    let (header, outcomes) = outcomes_from_record(record)?;
    render(&header, &outcomes)
}

/// The header, with what the fixtures turned out to be, and the outcomes of a record, in the order in which the scenarios
/// began; those without a result as [`Verdict::Error`]. One that was played again counts with its last play.
///
/// # Errors
/// When the record cannot be read, or has no beginning.
pub fn outcomes_from_record(record: &Path) -> Result<(RunHeader, Vec<Outcome>), ReportError> {
    let mut header: Option<RunHeader> = None;
    let mut entries: Vec<Entry> = Vec::new();
    let mut ended = None;
    for (envelope, event) in read(record)? {
        ended = Some(envelope.clone());
        match event {
            Event::RunStarted(started) => header = Some(started),
            Event::FixtureReady { facts, .. } => {
                if let Some(header) = &mut header {
                    header.stack.extend(facts);
                }
            }
            Event::ScenarioStarted { scenario } => {
                // Played again: the first play has no result of its own.
                entries.retain(|entry| !entry.is_open(&scenario));
                entries.push(Entry::Open(Unfinished::new(scenario, envelope)));
            }
            Event::ScenarioFinished(outcome) => {
                match entries.iter_mut().find(|entry| entry.is_open(&outcome.scenario)) {
                    Some(entry) => *entry = Entry::Done(outcome),
                    // Ignored and not run scenarios have a result without a start.
                    None => entries.push(Entry::Done(outcome)),
                }
            }
            other => {
                for entry in &mut entries {
                    if let Entry::Open(open) = entry {
                        open.note(&other);
                    }
                }
            }
        }
    }
    let header = header.ok_or_else(|| ReportError::NoRun { path: record.to_path_buf() })?;
    let outcomes = entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Done(outcome) => outcome,
            Entry::Open(open) => open.without_result(ended.as_ref()),
        })
        .collect();
    Ok((header, outcomes))
}

/// A scenario of a record, on the way through it.
enum Entry {
    Open(Unfinished),
    Done(Outcome),
}

impl Entry {
    /// Whether this is that scenario, and has no result yet.
    fn is_open(&self, scenario: &str) -> bool {
        matches!(self, Entry::Open(open) if open.scenario == scenario)
    }
}

/// From the first start to the last end. Wall clock, not the sum: a reader asks how long the job took.
fn span(outcomes: &[Outcome]) -> Option<(SystemTime, Duration)> {
    let start = outcomes.iter().map(|outcome| outcome.started).min()?;
    let end = outcomes.iter().filter_map(|outcome| outcome.started.checked_add(outcome.duration)).max()?;
    Some((start, end.duration_since(start).unwrap_or_default()))
}

fn case(outcome: &Outcome, run: u32) -> TestCase {
    let name = clean(&outcome.scenario);
    let mut case =
        TestCase::new(if run == 1 { name.clone() } else { format!("{name} #{run}") }, status(outcome));
    case.set_classname(match name.rsplit_once("::") {
        Some((front, _)) => format!("{SUITE}.{}", front.replace("::", ".")),
        None => SUITE.to_string(),
    });
    case.set_time(outcome.duration);
    for (number, value) in &outcome.numbers {
        case.add_property((clean(number), clean(value)));
    }
    case.add_property(("started".to_string(), rfc3339_text(outcome.started)));
    if let Some(evidence) = &outcome.evidence {
        case.add_property(("evidence".to_string(), clean(&evidence.to_string_lossy())));
        if outcome.verdict != Verdict::Passed {
            case.set_system_out(attachments(evidence));
        }
    }
    case
}

fn status(outcome: &Outcome) -> TestCaseStatus {
    let (mut status, default_type) = match outcome.verdict {
        Verdict::Passed => return TestCaseStatus::success(),
        Verdict::Failed => (TestCaseStatus::non_success(NonSuccessKind::Failure), "failed"),
        Verdict::Error => (TestCaseStatus::non_success(NonSuccessKind::Error), "environment"),
        Verdict::Ignored | Verdict::Interrupted | Verdict::NotRun => {
            let mut status = TestCaseStatus::skipped();
            let reason = outcome.reason.as_deref().unwrap_or("no reason given");
            status.set_message(match outcome.verdict {
                Verdict::Ignored => clean(reason),
                verdict => clean(&format!("{verdict}: {reason}")),
            });
            // What an interrupted scenario had found by then is not a verdict, and still worth reading.
            if !outcome.findings.is_empty() {
                status.set_description(shortened(&clean(&outcome.failure_text())));
            }
            return status;
        }
    };
    status.set_message(clean(&outcome.headline()));
    status.set_type(clean(outcome.findings.first().map_or(default_type, |finding| &finding.check)));
    status.set_description(shortened(&clean(&outcome.failure_text())));
    status
}

/// One line per file of the folder, in the order of their names; the folder itself if it cannot be listed, as when the
/// report is made on another machine.
fn attachments(evidence: &Path) -> String {
    let mut files: Vec<_> = fs::read_dir(evidence)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files.truncate(MOST_ATTACHMENTS);
    if files.is_empty() {
        files.push(evidence.to_path_buf());
    }
    files.iter().map(|path| format!("[[ATTACHMENT|{}]]\n", clean(&path.to_string_lossy()))).collect()
}

/// Cuts a text that is too long for CI in its middle: the first finding is at its beginning, the command to run it again
/// at its end.
fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= LONGEST_TEXT {
        return text.to_string();
    }
    let half = LONGEST_TEXT / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(length - half).collect();
    format!("{head}\n\n[... {} characters left out; the record has them ...]\n\n{tail}", length - 2 * half)
}

/// Text as XML can hold it.
///
/// quick-junit strips terminal escapes and the control characters that XML forbids. It also strips tabs, which kernel
/// logs have, and leaves U+FFFE and U+FFFF, which no XML parser takes.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\t', "    ").replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests;
