//! What the page says without a script: the run in one screen, its failures, its percentiles.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::PageLocation;
use crate::record::{Outcome, Verdict, rfc3339_text, spent_in};
use crate::report::shorten::without_middle;
use crate::report::view::{Distribution, RepairView, RunView, ScenarioView};

/// Characters of one text of a finding; the record has all of it.
pub(super) const LONGEST_TEXT: usize = 16 * 1024;

/// Failures that are unfolded at first.
const UNFOLDED: usize = 5;

#[derive(Serialize)]
pub(super) struct Facts {
    name: String,
    started: String,
    wall_time: String,
    finished: bool,
    lost: Option<String>,
    command: String,
    accelerator: Option<String>,
    accelerator_reason: Option<String>,
    warning: Option<String>,
    /// What both hosts have: fact, source, target.
    hosts: Vec<[String; 3]>,
    others: Vec<(String, String)>,
    profile: Vec<(String, String)>,
    profile_name: Option<String>,
    fixtures: Vec<(String, String)>,
    parts: Vec<Part>,
    repairs: Vec<Repair>,
    verdicts: Vec<Count>,
    scenarios: usize,
    migrations: usize,
    spent: Vec<(String, String)>,
    failures: Vec<Failure>,
    percentiles: Vec<Distribution>,
}

#[derive(Serialize)]
struct Count {
    verdict: String,
    class: String,
    symbol: &'static str,
    count: usize,
}

#[derive(Serialize)]
struct Failure {
    scenario: String,
    link: String,
    verdict: String,
    class: String,
    symbol: &'static str,
    headline: String,
    text: String,
    evidence: Option<String>,
    evidence_link: Option<String>,
    rerun: String,
    unfolded: bool,
}

/// A run of a merged record.
#[derive(Serialize)]
struct Part {
    run: String,
    complete: bool,
    command: String,
    facts: String,
}

#[derive(Serialize)]
struct Repair {
    at: String,
    what: String,
    why: String,
}

pub(super) fn facts(run: &RunView, place: PageLocation) -> Facts {
    let stack = &run.header.stack;
    let fact = |name: &str| stack.get(name).filter(|value| !value.is_empty()).cloned();
    let profile = match &run.header.profile {
        Value::Object(values) => values.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        _ => Vec::new(),
    };
    let mut failures: Vec<&ScenarioView> =
        run.scenarios.iter().filter(|scenario| is_trouble(&scenario.outcome)).collect();
    // Failed before error before interrupted; within them as they came.
    failures.sort_by_key(|scenario| VERDICTS.iter().position(|verdict| *verdict == scenario.outcome.verdict));
    Facts {
        name: run.header.run.clone(),
        started: rfc3339_text(run.started),
        wall_time: spell(run.duration_s),
        finished: run.finished,
        lost: run.lost.as_ref().map(ToString::to_string),
        command: run.header.command.join(" "),
        accelerator: fact("accelerator"),
        accelerator_reason: fact("accelerator_reason"),
        warning: fact("warning"),
        hosts: host_facts(stack),
        others: other_facts(stack),
        profile_name: run.header.profile.get("name").and_then(Value::as_str).map(str::to_owned),
        profile,
        fixtures: run
            .fixtures
            .iter()
            .map(|fixture| (fixture.name.clone(), spell(fixture.duration_s)))
            .collect(),
        parts: run
            .parts
            .iter()
            .map(|part| Part {
                run: part.run.clone(),
                complete: part.complete,
                command: part.command.join(" "),
                facts: part.stack.iter().map(|(name, value)| format!("{name} {value}\n")).collect(),
            })
            .collect(),
        repairs: run.repairs.iter().map(repair).collect(),
        verdicts: VERDICTS
            .iter()
            .map(|verdict| Count {
                verdict: verdict.to_string(),
                class: class(*verdict),
                symbol: symbol(*verdict),
                count: run.count(*verdict),
            })
            .filter(|count| count.count > 0)
            .collect(),
        scenarios: run.scenarios.len(),
        migrations: run.scenarios.iter().map(|scenario| scenario.legs.len()).sum(),
        spent: spent(run),
        failures: failures
            .into_iter()
            .enumerate()
            .map(|(index, scenario)| failure(run, scenario, place, index < UNFOLDED))
            .collect(),
        percentiles: run.distributions(),
    }
}

/// In the order in which a reader wants them.
const VERDICTS: [Verdict; 6] = [
    Verdict::Failed,
    Verdict::Error,
    Verdict::Interrupted,
    Verdict::NotRun,
    Verdict::Passed,
    Verdict::Ignored,
];

/// A sign of a verdict that needs no colour.
fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "\u{2713}",
        Verdict::Failed => "\u{2717}",
        Verdict::Error => "!",
        Verdict::Ignored => "\u{2013}",
        Verdict::Interrupted => "\u{25d0}",
        Verdict::NotRun => "\u{25cb}",
    }
}

/// The verdict as one word.
pub(super) fn class(verdict: Verdict) -> String {
    verdict.to_string().replace(' ', "_")
}

fn is_trouble(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Failed | Verdict::Error | Verdict::Interrupted)
}

fn failure(run: &RunView, scenario: &ScenarioView, place: PageLocation, unfolded: bool) -> Failure {
    let outcome = &scenario.outcome;
    let findings = outcome.findings.iter().map(ToString::to_string);
    let texts: Vec<String> = outcome
        .reason
        .iter()
        .cloned()
        .chain(findings)
        .map(|text| cut(text.trim_end(), LONGEST_TEXT))
        .collect();
    Failure {
        scenario: scenario.title.clone(),
        link: format!("#scenario={}", encoded(&scenario.title)),
        verdict: outcome.verdict.to_string(),
        class: class(outcome.verdict),
        symbol: symbol(outcome.verdict),
        headline: outcome.headline(),
        text: texts.join("\n\n"),
        evidence: outcome.evidence.as_ref().map(|path| path.to_string_lossy().into_owned()),
        evidence_link: evidence_link(run, outcome, place),
        rerun: outcome.rerun_command(),
        unfolded,
    }
}

/// The evidence as seen from a report in the run's folder: what stands behind the folder's name in its path.
pub(super) fn evidence_link(run: &RunView, outcome: &Outcome, place: PageLocation) -> Option<String> {
    if place == PageLocation::Elsewhere || run.header.run.is_empty() {
        return None;
    }
    let path = outcome.evidence.as_ref()?.to_string_lossy().into_owned();
    let (_, inside) = path.rsplit_once(&format!("{}/", run.header.run))?;
    // No scheme and no way out of the folder.
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let inside = inside.trim_matches('/');
    (inside.chars().all(harmless) && !inside.contains("..")).then(|| format!("{inside}/"))
}

/// As `encodeURIComponent` writes it, which is what the page's scripts use.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn repair(repair: &RepairView) -> Repair {
    Repair { at: spell(repair.t_ms / 1e3), what: repair.what.clone(), why: repair.why.clone() }
}

/// What a fact is about, if it is about one of the hosts: `qemu` of `source.qemu`.
fn of_host(key: &str) -> Option<&str> {
    key.strip_prefix("source.").or_else(|| key.strip_prefix("target."))
}

/// `source.qemu` and `target.qemu` side by side.
fn host_facts(stack: &BTreeMap<String, String>) -> Vec<[String; 3]> {
    let value = |side: &str, name: &str| stack.get(&format!("{side}.{name}")).cloned().unwrap_or_default();
    let names: BTreeSet<&str> = stack.keys().filter_map(|key| of_host(key)).collect();
    names.iter().map(|name| [name.replace('_', " "), value("source", name), value("target", name)]).collect()
}

/// What is neither of a host nor told by itself.
fn other_facts(stack: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let told = ["accelerator", "accelerator_reason", "warning"];
    let others = stack.iter().filter(|(key, _)| of_host(key).is_none() && !told.contains(&key.as_str()));
    others.map(|(key, value)| (key.replace('_', " "), value.clone())).collect()
}

/// Where the time of the scenarios went, the most first.
fn spent(run: &RunView) -> Vec<(String, String)> {
    let spent = spent_in(run.scenarios.iter().map(|scenario| &scenario.outcome.numbers));
    let spent = spent.into_iter().filter(|(_, seconds)| *seconds > 0.0);
    spent.map(|(what, seconds)| (what.to_owned(), spell(seconds))).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text of no more characters than that.
pub(super) fn cut(text: &str, most: usize) -> String {
    without_middle(text, most, |_| 1, "the record")
}

/// `1 h 2 min`, `3 min 4 s`, `5.6 s`.
fn spell(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.04, "0.0 s")]
    #[case(59.4, "59.4 s")]
    #[case(59.6, "1 min 0 s")]
    #[case(185.0, "3 min 5 s")]
    #[case(3700.0, "1 h 1 min")]
    fn times_are_spelled(#[case] seconds: f64, #[case] expected: &str) {
        assert_eq!(spell(seconds), expected);
    }
}
