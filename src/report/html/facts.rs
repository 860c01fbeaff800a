//! The part of the page that needs no script: the run in one screen, its failures, its percentiles.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::PageLocation;
use crate::record::{Outcome, RunHeader, Verdict, rfc3339_text, spent_in};
use crate::report::shorten::without_middle;
use crate::report::view::{RunView, ScenarioView};

/// The most characters of one text of a finding; the record has all of it.
pub(super) const LONGEST_TEXT: usize = 16 * 1024;

/// What `encodeURIComponent` encodes, by which the page's scripts make links.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The template's data: the run's own, and whatever a template cannot compute.
pub(super) fn facts(run: &RunView, place: PageLocation) -> Value {
    let (header, stack) = (&run.header, &run.header.stack);
    let fact = |name: &str| stack.get(name).filter(|value| !value.is_empty());
    let spent = spent_in(run.scenarios.iter().map(|scenario| &scenario.outcome.numbers)).into_iter();
    let counts = VERDICTS.map(|verdict| (verdict, run.count(verdict))).into_iter();
    let verdicts = counts.filter(|(_, count)| *count > 0);
    json!({
        "header": header,
        "started": rfc3339_text(run.started),
        "duration_s": run.duration_s,
        "finished": run.finished,
        "lost": run.lost.as_ref().map(ToString::to_string),
        "accelerator": fact("accelerator"),
        "accelerator_reason": fact("accelerator_reason"),
        "warning": fact("warning"),
        // Facts of both hosts: name, source, target.
        "hosts": host_facts(header),
        "others": other_facts(stack),
        "profile_name": header.profile.as_ref().and_then(|profile| profile.name.as_ref()),
        "profile": header.profile_values().into_iter().collect::<Vec<_>>(),
        "fixtures": run.fixtures,
        "parts": run.parts,
        "repairs": run.repairs,
        "verdicts": verdicts.map(|(verdict, count)| json!({ "verdict": verdict, "count": count })).collect::<Vec<_>>(),
        "scenarios": run.scenarios.len(),
        "migrations": run.scenarios.iter().map(|scenario| scenario.legs().len()).sum::<usize>(),
        "spent": spent.filter(|(_, seconds)| *seconds > 0.0).collect::<Vec<_>>(),
        "failures": failures(run, place),
        "percentiles": run.distributions(),
    })
}

/// All verdicts, the most important first.
const VERDICTS: [Verdict; 6] = [
    Verdict::Failed,
    Verdict::Error,
    Verdict::Interrupted,
    Verdict::NotRun,
    Verdict::Passed,
    Verdict::Ignored,
];

/// Every verdict by its name in the record: a symbol that needs no colour, and a name for people.
pub(super) fn verdict_signs() -> BTreeMap<String, Value> {
    let signs = VERDICTS.map(|verdict| {
        let symbol = match verdict {
            Verdict::Passed => "\u{2713}",
            Verdict::Failed => "\u{2717}",
            Verdict::Error => "!",
            Verdict::Ignored => "\u{2013}",
            Verdict::Interrupted => "\u{25d0}",
            Verdict::NotRun => "\u{25cb}",
        };
        (
            json!(verdict).as_str().unwrap_or_default().to_owned(),
            json!({"symbol": symbol, "name": verdict.to_string()}),
        )
    });
    signs.into()
}

/// The failures: failed, then errors, then interrupted; each kind in the order of play.
fn failures(run: &RunView, place: PageLocation) -> Vec<Value> {
    let of = |verdict| run.scenarios.iter().filter(move |scenario| scenario.outcome.verdict == verdict);
    let verdicts = [Verdict::Failed, Verdict::Error, Verdict::Interrupted];
    verdicts.into_iter().flat_map(of).map(|scenario| failure(run, scenario, place)).collect()
}

fn failure(run: &RunView, scenario: &ScenarioView, place: PageLocation) -> Value {
    let outcome = &scenario.outcome;
    let findings = outcome.findings.iter().map(ToString::to_string);
    let texts: Vec<String> = (outcome.reason.iter().cloned().chain(findings))
        .map(|text| cut(text.trim_end(), LONGEST_TEXT))
        .collect();
    json!({
        "scenario": scenario.title,
        "link": format!("#scenario={}", utf8_percent_encode(&scenario.title, COMPONENT)),
        "verdict": outcome.verdict,
        "headline": outcome.headline(),
        "text": texts.join("\n\n"),
        "evidence": outcome.evidence.as_ref().map(|path| path.to_string_lossy()),
        "evidence_link": evidence_link(run, outcome, place),
        "rerun": outcome.rerun_command(),
    })
}

/// A link to the evidence from a report in the run's folder: the part of its path behind the folder's name.
pub(super) fn evidence_link(run: &RunView, outcome: &Outcome, place: PageLocation) -> Option<String> {
    if place == PageLocation::Elsewhere || run.header.run.is_empty() {
        return None;
    }
    let path = outcome.evidence.as_ref()?.to_string_lossy().into_owned();
    let (_, inside) = path.rsplit_once(&format!("{}/", run.header.run))?;
    // This allows no scheme, and no way out of the folder.
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let inside = inside.trim_matches('/');
    (inside.chars().all(harmless) && !inside.contains("..")).then(|| format!("{inside}/"))
}

/// The name of a host's fact: `qemu` of `source.qemu`.
fn of_host(key: &str) -> Option<&str> {
    key.strip_prefix("source.").or_else(|| key.strip_prefix("target."))
}

/// `source.qemu` and `target.qemu` side by side.
fn host_facts(header: &RunHeader) -> Vec<[String; 3]> {
    let names: BTreeSet<&str> = header.stack.keys().filter_map(|key| of_host(key)).collect();
    let row = |name: &&str| {
        let [source, target] = header.of_hosts(name).map(|fact| fact.cloned().unwrap_or_default());
        [name.replace('_', " "), source, target]
    };
    names.iter().map(row).collect()
}

/// Facts of no host that have no place of their own.
fn other_facts(stack: &BTreeMap<String, String>) -> Vec<(String, &String)> {
    let told = ["accelerator", "accelerator_reason", "warning"];
    let others = stack.iter().filter(|(key, _)| of_host(key).is_none() && !told.contains(&key.as_str()));
    others.map(|(key, value)| (key.replace('_', " "), value)).collect()
}

/// Shortens a text to that many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    without_middle(text, most, |_| 1, "the record")
}

/// `1 h 2 min`, `3 min 4 s`, `5.6 s`.
pub(super) fn spell(seconds: f64) -> String {
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
