//! A comparison as one HTML page that needs no other file and no script.

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::comparison::{Claim, ComparedScenario, Comparison, Group, Measured};
use super::method::method_lines;
use super::metric::milliseconds;
use super::number::{probability, times};
use super::summary::MetricSummary;
use super::text::alike_line;
use crate::record::ReportError;

const PAGE: &str = include_str!("compare.html");

/// Names that end with this are escaped by minijinja.
const NAME: &str = "compare.html";

/// A row of a table, in words.
#[derive(Serialize)]
struct Row {
    name: String,
    metric: &'static str,
    factor: String,
    median: [String; 2],
    p95: [String; 2],
    max: [String; 2],
    legs: [usize; 2],
    p: String,
    claim: &'static str,
}

/// What the template is given.
#[derive(Serialize)]
struct Page<'a> {
    comparison: &'a Comparison,
    headline: String,
    worse: Vec<Row>,
    better: Vec<Row>,
    unjudged: Vec<Row>,
    groups: Vec<Row>,
    scenarios: Vec<Row>,
    alike: Vec<String>,
    method: Vec<String>,
}

pub fn render(comparison: &Comparison) -> Result<String, ReportError> {
    let rows = |claim| -> Vec<Row> {
        comparison.claims(claim).into_iter().map(|(one, measured)| row(&one.scenario, measured)).collect()
    };
    let page = Page {
        comparison,
        headline: comparison.headline(),
        worse: rows(Claim::Worse),
        better: rows(Claim::Better),
        unjudged: comparison
            .unjudged()
            .into_iter()
            .map(|(one, measured)| row(&one.scenario, measured))
            .collect(),
        groups: comparison.groups.iter().flat_map(group_rows).collect(),
        scenarios: comparison.scenarios.iter().flat_map(scenario_rows).collect(),
        alike: comparison.alike.iter().map(alike_line).collect(),
        method: method_lines(comparison),
    };
    let rendered = (|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_template(NAME, PAGE)?;
        environment.get_template(NAME)?.render(Serde(page))
    })();
    rendered.map_err(|error: minijinja::Error| ReportError::Compare(format!("as HTML: {error:#}")))
}

fn group_rows(group: &Group) -> Vec<Row> {
    let name = format!("{} ({})", group.group, group.scenarios);
    let mut rows: Vec<Row> = group.measured.iter().map(|measured| row(&name, measured)).collect();
    rows.extend(group.wall_s.as_ref().map(|wall| wall_row(&name, wall)));
    rows
}

fn scenario_rows(scenario: &ComparedScenario) -> Vec<Row> {
    let mut rows: Vec<Row> =
        scenario.measured.iter().map(|measured| row(&scenario.scenario, measured)).collect();
    rows.extend(scenario.wall_s.as_ref().map(|wall| wall_row(&scenario.scenario, wall)));
    rows
}

fn row(name: &str, measured: &Measured) -> Row {
    let show = |value: f64| measured.metric.show(value);
    let both = |value: fn(&MetricSummary) -> f64| [show(value(&measured.base)), show(value(&measured.new))];
    let claim = match measured.claim {
        Claim::Worse => "worse",
        Claim::Better => "better",
        Claim::None => "",
    };
    Row {
        name: name.to_owned(),
        metric: measured.metric.name(),
        factor: times(measured.factor),
        median: both(|summary| summary.median),
        p95: both(|summary| summary.p95),
        max: both(|summary| summary.max),
        legs: [measured.base.count, measured.new.count],
        p: measured.p().map(probability).unwrap_or_default(),
        claim,
    }
}

fn wall_row(name: &str, wall: &[MetricSummary; 2]) -> Row {
    let both =
        |value: fn(&MetricSummary) -> f64| [0, 1].map(|side: usize| milliseconds(value(&wall[side]) * 1e3));
    Row {
        name: name.to_owned(),
        metric: "wall time",
        factor: times(wall[1].median / wall[0].median),
        median: both(|summary| summary.median),
        p95: both(|summary| summary.p95),
        max: both(|summary| summary.max),
        legs: [wall[0].count, wall[1].count],
        p: String::new(),
        claim: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict;
    use crate::report::compare::ComparedRun;
    use crate::report::compare::testing::Writer;

    const LEGS: [(f64, f64, f64); 6] = [(1.0, 50.0, 100.0); 6];

    #[test]
    fn the_page_is_whole_escaped_and_needs_nothing() {
        let hostile = "precopy_orderly::<script>alert(1)</script>::x";
        let name = "precopy_orderly::in_vms::stress_cpu";
        let run = |path: &str, slower: f64, verdict| {
            let legs = LEGS.map(|(total, down, mib)| (total * slower, down, mib));
            let run = Writer::new().played(name, &legs).started(hostile).finished(hostile, verdict).run();
            ComparedRun { path: path.into(), made_of: [path.to_owned()].into(), ..run }
        };
        let base = ["a<b", "b", "c"].map(|path| run(path, 1.0, Verdict::Passed));
        let new = ["d", "e", "f"].map(|path| run(path, 20.0, Verdict::Failed));
        let comparison = Comparison::of(&base, &new).unwrap();
        let page = render(&comparison).unwrap();
        assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
        for part in ["REGRESSION", "&lt;script&gt;", "a&lt;b", "x20.00", "prefers-color-scheme", "viewport"] {
            assert!(page.contains(part), "{part} is not in:\n{page}");
        }
        for part in ["<script", "http:", "https:", "src=", "url("] {
            assert!(!page.contains(part), "{part} is in:\n{page}");
        }
    }
}
