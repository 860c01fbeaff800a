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
//! - **Long texts are cut in their middle**, so that the file stays under GitLab's limits; they say so, and where the whole
//!   text is.
//!
//! Element order and attributes follow `junit-10.xsd` of Jenkins' xUnit plugin, with two additions that its JUnit plugin
//! and GitLab read or skip: the `properties` of a case, and `skipped` on the root, which quick-junit always writes.

mod size;

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use self::size::{CaseLimits, attribute};
use crate::record::{Outcome, ReportError, Results, Verdict, rfc3339_text, titled, write_atomically};

/// The name of the report and of its one suite; also the first part of every `classname`.
const SUITE: &str = "multivm";

/// The JUnit XML of a run's results, in the order of its outcomes. A record that lacks lines is a property of the suite,
/// `lost_lines`.
///
/// # Errors
/// When quick-junit cannot write it, which no content is known to cause.
pub fn render(results: &Results) -> Result<String, ReportError> {
    let Results { header, outcomes, lost } = results;
    let mut suite = TestSuite::new(SUITE);
    let mut property = |name: &str, value: &str| {
        suite.add_property((attribute(&clean(name)), attribute(&clean(value))));
    };
    property("run", &header.run);
    property("command", &header.command.join(" "));
    for (fact, value) in &header.stack {
        property(fact, value);
    }
    if let Some(lost) = lost {
        property("lost_lines", &lost.to_string());
    }
    if let Some(profile) = header.profile.as_ref().and_then(|profile| serde_json::to_string(profile).ok()) {
        property("profile", &profile);
    }
    let limits =
        CaseLimits::for_cases(outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Passed).count());
    for (title, outcome) in titled(outcomes) {
        suite.add_test_case(case(&title, outcome, limits, &header.run));
    }

    let mut report = Report::new(SUITE);
    if let Some((start, time)) = span(outcomes) {
        // The text is parsed into the field's type: quick-junit's time is chrono's, which nothing else here needs.
        suite.timestamp = rfc3339_text(start).parse().ok();
        suite.set_time(time);
        report.set_time(time);
    }
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

/// Writes [`render`]'s XML to `path`, which is whole at every moment.
///
/// # Errors
///
/// When the XML cannot be made or written.
pub fn write(path: &Path, results: &Results) -> Result<(), ReportError> {
    write_atomically(path, render(results)?.as_bytes())
}

/// The time from the first start to the last end. It is wall clock time and not a sum, because a reader asks how long the
/// job took.
fn span(outcomes: &[Outcome]) -> Option<(SystemTime, Duration)> {
    let start = outcomes.iter().map(|outcome| outcome.started).min()?;
    let end = outcomes.iter().filter_map(|outcome| outcome.started.checked_add(outcome.duration)).max()?;
    Some((start, end.duration_since(start).unwrap_or_default()))
}

fn case(title: &str, outcome: &Outcome, limits: CaseLimits, run: &str) -> TestCase {
    let name = clean(&outcome.scenario);
    let mut case = TestCase::new(clean(title), status(outcome, limits, run));
    case.set_classname(match name.rsplit_once("::") {
        Some((front, _)) => format!("{SUITE}.{}", front.replace("::", ".")),
        None => SUITE.to_string(),
    });
    case.set_time(outcome.duration);
    for (number, value) in outcome.numbers.named() {
        case.add_property((number, value.to_string()));
    }
    case.add_property(("started".to_string(), rfc3339_text(outcome.started)));
    if let Some(evidence) = &outcome.evidence {
        case.add_property(("evidence".to_string(), attribute(&clean(&evidence.to_string_lossy()))));
        if outcome.verdict != Verdict::Passed {
            case.set_system_out(limits.lines(attachments(evidence)));
        }
    }
    case
}

fn status(outcome: &Outcome, limits: CaseLimits, run: &str) -> TestCaseStatus {
    let whole = format!("record.jsonl of the run {run}, in the lines of this scenario");
    let text = || limits.text(&clean(&outcome.failure_text()), &clean(&whole));
    let (mut status, default_type) = match outcome.verdict {
        Verdict::Passed => return TestCaseStatus::success(),
        Verdict::Failed => (TestCaseStatus::non_success(NonSuccessKind::Failure), "failed"),
        Verdict::Error => (TestCaseStatus::non_success(NonSuccessKind::Error), "environment"),
        Verdict::Ignored | Verdict::Interrupted | Verdict::NotRun => {
            let mut status = TestCaseStatus::skipped();
            let reason = outcome.reason.as_deref().unwrap_or("no reason given");
            status.set_message(match outcome.verdict {
                Verdict::Ignored => attribute(&clean(reason)),
                verdict => attribute(&clean(&format!("{verdict}: {reason}"))),
            });
            // The findings of an interrupted scenario are no verdict, and still worth reading.
            if !outcome.findings.is_empty() {
                status.set_description(text());
            }
            return status;
        }
    };
    status.set_message(attribute(&clean(&outcome.headline())));
    status
        .set_type(attribute(&clean(outcome.findings.first().map_or(default_type, |finding| &finding.check))));
    status.set_description(text());
    status
}

/// One line per file of the folder, in the order of names. If the folder cannot be listed, as when the report is made on
/// another machine, the folder itself.
fn attachments(evidence: &Path) -> impl Iterator<Item = String> {
    let mut files: Vec<_> = fs::read_dir(evidence)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    if files.is_empty() {
        files.push(evidence.to_path_buf());
    }
    files.into_iter().map(|path| format!("[[ATTACHMENT|{}]]\n", clean(&path.to_string_lossy())))
}

/// Makes a text fit for XML.
///
/// quick-junit strips terminal escapes and the control characters that XML forbids. It also strips tabs, which kernel logs
/// have, and leaves U+FFFE and U+FFFF, which no XML parser takes.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\t', "    ").replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests;
