//! One metric of a scenario or of a group of scenarios, in BASE and in NEW.

use serde::Serialize;

use super::metric::Metric;
use super::run::ComparedRun;
use super::summary::MetricSummary;
use crate::record::median;
use crate::report::view::is_in_group;

/// One metric of a scenario or of a group, in BASE and in NEW.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The scenario's full name; of a group `{mode}_{order}`, or `all`.
    pub name: String,
    /// The number of the group's scenarios that both sides have; null for a scenario.
    pub scenarios: Option<usize>,
    pub metric: Metric,
    /// [`Metric::unit`].
    pub unit: &'static str,
    /// All legs of all runs of BASE; for the wall time all plays.
    pub base: MetricSummary,
    /// All legs of all runs of NEW; for the wall time all plays.
    pub new: MetricSummary,
    /// The median of the legs in each run, BASE's runs and NEW's; null for a run without it. For a group the median of its
    /// scenarios in each run, each as a factor of its own geometric mean over all runs.
    pub by_run: [Vec<Option<f64>>; 2],
    /// NEW to BASE, each the geometric mean of its runs.
    pub factor: f64,
    /// The probability of such a rise, or of a larger one, between equal stacks, corrected for the number of questions. Null
    /// if the test does not judge it, because the group has too few scenarios or the scenario too few runs.
    pub p_worse: Option<f64>,
    /// The probability of such a fall, or of a larger one, between equal stacks, corrected for the number of questions; null
    /// as for a rise.
    pub p_better: Option<f64>,
    /// The comparison's claim.
    pub claim: Claim,
    /// The comparison would have claimed a rise by this factor or more. Null: it would have claimed no rise.
    pub found_from: Option<f64>,
    /// The values of all legs of both sides.
    #[serde(skip)]
    legs: [Vec<f64>; 2],
    /// The logarithms of the least rise and of the least fall that matter.
    #[serde(skip)]
    pub(super) least: [f64; 2],
}

/// The claim of a comparison about a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Worse, beyond noise.
    Worse,
    /// Better, beyond noise.
    Better,
    /// No claim: the difference does not matter, equal runs differ like this, or no test judged it.
    #[default]
    None,
}

impl Measured {
    /// A metric of a scenario; none if a side does not have it.
    pub fn of_scenario(name: &str, metric: Metric, sides: [&[ComparedRun]; 2]) -> Option<Measured> {
        let by_run =
            sides.map(|runs| runs.iter().map(|run| median(run.values(name, metric))).collect::<Vec<_>>());
        let legs = sides.map(|runs| runs.iter().flat_map(|run| run.values(name, metric)).copied().collect());
        let [base, new] = by_run.each_ref().map(|runs| level(runs));
        let least = [base?, new?].map(|level| metric.least_shift(level.exp()));
        Measured::of(name, None, metric, legs, by_run, least)
    }

    /// A metric of a group; none if no scenario of the group can be judged by it.
    pub fn of_group(name: &str, metric: Metric, scenarios: &[Measured]) -> Option<Measured> {
        let of_group = |metric| scenarios.iter().filter(move |it| it.is_of(name, metric));
        // Every scenario that both sides have has a wall time.
        let count = of_group(Metric::WallTime).count();
        let legs = [0, 1]
            .map(|side: usize| of_group(metric).flat_map(|it| it.legs[side].clone()).collect::<Vec<_>>());
        let members = members(name, metric, scenarios);
        let of_run = |side: usize, run: usize| {
            let relative = |it: &&Measured| Some(it.by_run[side][run]?.ln() - level(&it.by_run.concat())?);
            median(&members.iter().filter_map(relative).collect::<Vec<_>>()).map(f64::exp)
        };
        let runs = members.first()?.by_run.each_ref().map(Vec::len);
        let by_run = [0, 1].map(|side: usize| (0..runs[side]).map(|run| of_run(side, run)).collect());
        let least = |way: usize| median(&members.iter().map(|it| it.least[way]).collect::<Vec<_>>());
        Measured::of(name, Some(count), metric, legs, by_run, [least(0)?, least(1)?])
    }

    fn of(
        name: &str,
        scenarios: Option<usize>,
        metric: Metric,
        legs: [Vec<f64>; 2],
        by_run: [Vec<Option<f64>>; 2],
        least: [f64; 2],
    ) -> Option<Measured> {
        let [base, new] = by_run.each_ref().map(|runs| level(runs));
        Some(Measured {
            name: name.to_owned(),
            scenarios,
            metric,
            unit: metric.unit(),
            base: MetricSummary::of(&legs[0])?,
            new: MetricSummary::of(&legs[1])?,
            factor: (new? - base?).exp(),
            by_run,
            p_worse: None,
            p_better: None,
            claim: Claim::None,
            found_from: None,
            legs,
            least,
        })
    }

    fn is_of(&self, group: &str, metric: Metric) -> bool {
        self.metric == metric && is_in_group(&self.name, group)
    }

    /// Whether more than half of the runs of each side have it: one run by chance decides nothing.
    fn is_in_most_runs(&self) -> bool {
        self.by_run.iter().all(|runs| 2 * runs.iter().flatten().count() > runs.len())
    }

    /// Whether a test may judge it.
    pub(super) fn can_be_judged(&self) -> bool {
        self.metric != Metric::WallTime && self.is_in_most_runs()
    }

    /// The rise and the fall beyond the least that matters, as logarithms; negative within it.
    pub(super) fn beyond(&self) -> [f64; 2] {
        [self.factor.ln() - self.least[0], -self.factor.ln() - self.least[1]]
    }
}

/// The scenarios of a group that can stand for it: more than half of the runs of each side have them.
pub(super) fn members<'a>(group: &str, metric: Metric, scenarios: &'a [Measured]) -> Vec<&'a Measured> {
    scenarios.iter().filter(|it| it.is_of(group, metric) && it.is_in_most_runs()).collect()
}

/// The logarithm of the geometric mean of the runs that have a value; none if none has.
fn level(runs: &[Option<f64>]) -> Option<f64> {
    let logarithms: Vec<f64> = runs.iter().flatten().map(|value| value.ln()).collect();
    (!logarithms.is_empty()).then(|| logarithms.iter().sum::<f64>() / logarithms.len() as f64)
}
