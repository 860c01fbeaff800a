//! A metric of a scenario or of a group in words, the way the text and the page show it.

use serde::Serialize;

use super::comparison::{Claim, ComparedScenario, Group, Measured};
use super::metric::{Metric, milliseconds};
use super::number::{probability, times};
use super::summary::MetricSummary;

/// Values of BASE and of NEW.
type Both = [String; 2];

/// A row of a table.
#[derive(Serialize)]
pub struct Row {
    pub name: String,
    pub metric: &'static str,
    pub factor: String,
    median: Both,
    p95: Both,
    max: Both,
    legs: [usize; 2],
    /// The probability by the test; empty for what no test judges.
    p: String,
    pub claim: &'static str,
    /// The medians of the runs of each side, where there is more than one a side.
    pub runs: Option<Both>,
}

impl Row {
    pub fn of(name: &str, measured: &Measured) -> Row {
        let metric = measured.metric;
        let row = Row::new(name, metric.name(), &measured.base, &measured.new, |value| metric.show(value));
        let claim = match measured.claim {
            Claim::Worse => "worse",
            Claim::Better => "better",
            Claim::None => "",
        };
        let p = measured.p().map(probability).unwrap_or_default();
        let several = measured.by_run.iter().flatten().count() > 2;
        let runs = several.then(|| measured.by_run.each_ref().map(|values| medians(metric, values)));
        Row { factor: times(measured.factor), p, claim, runs, ..row }
    }

    /// The metrics of a scenario, and how long it took.
    pub fn of_scenario(scenario: &ComparedScenario) -> Vec<Row> {
        Row::all(&scenario.scenario, &scenario.measured, scenario.wall_s.as_ref())
    }

    /// The metrics of a group, and how long its scenarios took.
    pub fn of_group(group: &Group) -> Vec<Row> {
        let name = format!("{} ({})", group.group, group.scenarios);
        Row::all(&name, &group.measured, group.wall_s.as_ref())
    }

    fn all(name: &str, measured: &[Measured], wall_s: Option<&[MetricSummary; 2]>) -> Vec<Row> {
        let wall = wall_s
            .map(|[base, new]| Row::new(name, "wall time", base, new, |seconds| milliseconds(seconds * 1e3)));
        measured.iter().map(|measured| Row::of(name, measured)).chain(wall).collect()
    }

    /// A row without a claim, with the change of the medians.
    fn new(
        name: &str,
        metric: &'static str,
        base: &MetricSummary,
        new: &MetricSummary,
        show: impl Fn(f64) -> String,
    ) -> Row {
        let both = |value: fn(&MetricSummary) -> f64| [base, new].map(|side| show(value(side)));
        Row {
            name: name.to_owned(),
            metric,
            factor: times(new.median / base.median),
            median: both(|summary| summary.median),
            p95: both(|summary| summary.p95),
            max: both(|summary| summary.max),
            legs: [base.count, new.count],
            p: String::new(),
            claim: "",
            runs: None,
        }
    }

    /// `median 1.52 s -> 12.4 s, p95 2.00 s -> 14.1 s, max 2.00 s -> 14.1 s`
    pub fn values(&self) -> String {
        let change = |what, [base, new]: &Both| format!("{what} {base} -> {new}");
        let values = [("median", &self.median), ("p95", &self.p95), ("max", &self.max)];
        values.map(|(what, both)| change(what, both)).join(", ")
    }

    /// The values, and of how many legs they are; with the probability, if there is one: `...; 6 and 6 legs; p 0.0001`.
    pub fn judged_values(&self) -> String {
        let p = if self.p.is_empty() { String::new() } else { format!("; p {}", self.p) };
        format!("{}; {} and {} legs{p}", self.values(), self.legs[0], self.legs[1])
    }
}

fn medians(metric: Metric, runs: &[Option<f64>]) -> String {
    let shown = runs.iter().map(|value| value.map_or("-".into(), |value| metric.show(value)));
    shown.collect::<Vec<_>>().join(", ")
}
