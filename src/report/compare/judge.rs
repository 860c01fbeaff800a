//! Judges which differences are beyond noise. The room's head has the rules.

use std::collections::BTreeSet;

use serde::Serialize;

use super::deal::{self, Series};
use super::measured::{Claim, Measured, members};

/// The level of the test.
pub(super) const LEVEL: f64 = 0.05;

/// The least scenarios of a group: with fewer, coins could show even a rise of all of them.
pub(super) const LEAST_GROUP: usize = 6;

/// The test that judged the numbers: it asks whether another way to deal the runs into sides would have shown as much
/// anywhere. It is one-sided, at 5 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Test {
    /// What was dealt.
    pub dealt: Dealt,
    /// The number of ways.
    pub ways: usize,
    /// The number of questions: metrics of groups, and of scenarios if whole runs were dealt.
    pub questions: usize,
}

/// What a test deals into two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dealt {
    /// Whole runs.
    Runs,
    /// The numbers of each scenario, because there are too few runs. Groups alone are judged.
    Scenarios,
}

/// Judges all groups that are large enough, and all scenarios if there are enough runs.
pub(super) fn judge(scenarios: &mut [Measured], groups: &mut [Measured], base: usize, new: usize) -> Test {
    let is_large = |group: &&mut Measured| {
        group.can_be_judged() && members(&group.name, group.metric, scenarios).len() >= LEAST_GROUP
    };
    let mut asked: Vec<&mut Measured> = groups.iter_mut().filter(is_large).collect();
    let ways = deal::ways(base, new);
    let (dealt, ways, answers) = if ways as f64 * LEVEL >= 1.0 {
        asked.extend(scenarios.iter_mut().filter(|scenario| scenario.can_be_judged()));
        let series = |it: &&mut Measured| Series {
            metric: it.metric,
            is_group: it.scenarios.is_some(),
            runs: it.by_run.iter().flatten().map(|value| value.map(f64::ln)).collect(),
        };
        let series: Vec<Series> = asked.iter().map(series).collect();
        (Dealt::Runs, ways, deal::test_runs(&series, base, new, LEVEL))
    } else {
        let names: BTreeSet<&str> = scenarios.iter().map(|it| it.name.as_str()).collect();
        let changes = |group: &&mut Measured| {
            let number = |it: &Measured| names.iter().take_while(|name| **name < it.name.as_str()).count();
            let members = members(&group.name, group.metric, scenarios);
            members.into_iter().map(|it| (number(it), it.factor.ln())).collect()
        };
        let changes: Vec<Vec<(usize, f64)>> = asked.iter().map(changes).collect();
        (Dealt::Scenarios, deal::MOST, deal::test_scenarios(&changes, LEVEL))
    };
    let questions = asked.len();
    for (it, answer) in asked.into_iter().zip(answers) {
        (it.p_worse, it.p_better) = (Some(answer.p_rise), Some(answer.p_fall));
        it.claim = match it.beyond() {
            [worse, _] if worse >= 0.0 && answer.p_rise <= LEVEL => Claim::Worse,
            [_, better] if better >= 0.0 && answer.p_fall <= LEVEL => Claim::Better,
            _ => Claim::None,
        };
        it.found_from = answer.needed.map(|needed| needed.max(it.least[0]).exp());
    }
    Test { dealt, ways, questions }
}

#[cfg(test)]
mod tests;
