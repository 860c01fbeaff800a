//! Judges which differences are beyond noise. The room's head has the rules.

use serde::Serialize;

use super::deal::{self, Series};
use super::measured::{Claim, Measured, members};
use super::sign;
use super::summary::{median, sorted};

/// The level of both tests.
pub(super) const LEVEL: f64 = 0.05;

/// The least scenarios of a group: with fewer, coins could show even a rise of all of them.
pub(super) const LEAST_GROUP: usize = 6;

/// The test that judged the numbers. Both are one-sided, at 5 %, and corrected for the number of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// The test over runs, for groups and for each scenario: it asks whether another way to deal the runs into sides would
    /// have shown as much.
    Runs {
        /// The number of ways.
        ways: usize,
    },
    /// The test over scenarios, for groups alone and for fewer runs than the test over runs needs: it asks whether more
    /// scenarios are beyond the least effect than a coin would show.
    Scenarios {
        /// The number of questions: groups times metrics.
        questions: usize,
    },
}

/// Judges by the test over runs if there are enough of them, otherwise by the test over scenarios.
pub(super) fn judge(scenarios: &mut [Measured], groups: &mut [Measured], base: usize, new: usize) -> Test {
    let is_large = |group: &&mut Measured| {
        group.can_be_judged() && members(&group.name, group.metric, scenarios).len() >= LEAST_GROUP
    };
    let large: Vec<&mut Measured> = groups.iter_mut().filter(is_large).collect();
    let ways = deal::ways(base, new);
    if ways as f64 * LEVEL >= 1.0 {
        let asked = scenarios.iter_mut().filter(|scenario| scenario.can_be_judged()).chain(large);
        by_runs(asked.collect(), base, new);
        Test::Runs { ways }
    } else {
        let questions = large.len();
        by_scenarios(large, scenarios);
        Test::Scenarios { questions }
    }
}

/// Tests all scenarios and all large groups together.
fn by_runs(asked: Vec<&mut Measured>, base: usize, new: usize) {
    let series = |it: &&mut Measured| Series {
        metric: it.metric,
        is_group: it.scenarios.is_some(),
        runs: it.by_run.iter().flatten().map(|value| value.map(f64::ln)).collect(),
    };
    let series: Vec<Series> = asked.iter().map(series).collect();
    for (it, answer) in asked.into_iter().zip(deal::test(&series, base, new, LEVEL)) {
        conclude(it, answer.p_rise, answer.p_fall);
        it.found_from = answer.needed.map(|needed| needed.max(it.least[0]).exp());
    }
}

/// Tests only large groups: whether more of their scenarios are beyond the least effect than coins show.
fn by_scenarios(large: Vec<&mut Measured>, scenarios: &[Measured]) {
    let questions = large.len();
    let p = |way: usize| {
        let p_of = |group: &&mut Measured| {
            let members = members(&group.name, group.metric, scenarios);
            sign::heads(members.iter().filter(|it| it.beyond()[way] > 0.0).count(), members.len())
        };
        sign::holm(&large.iter().map(p_of).collect::<Vec<_>>())
    };
    let p = p(0).into_iter().zip(p(1));
    for (group, (p_worse, p_better)) in large.into_iter().zip(p) {
        conclude(group, p_worse, p_better);
        group.found_from = needed_by_signs(&members(&group.name, group.metric, scenarios), questions);
    }
}

/// Claims a difference that is significant and exceeds the least that matters.
fn conclude(it: &mut Measured, p_worse: f64, p_better: f64) {
    (it.p_worse, it.p_better) = (Some(p_worse), Some(p_better));
    it.claim = match it.beyond() {
        [worse, _] if worse >= 0.0 && p_worse <= LEVEL => Claim::Worse,
        [_, better] if better >= 0.0 && p_better <= LEVEL => Claim::Better,
        _ => Claim::None,
    };
}

/// The factor from which on enough scenarios of a group would be beyond the least effect, if all moved alike and scattered
/// as they do.
fn needed_by_signs(members: &[&Measured], questions: usize) -> Option<f64> {
    let count = members.len();
    let heads = (0..=count).find(|heads| sign::heads(*heads, count) * questions as f64 <= LEVEL)?;
    let centre = median(&members.iter().map(|it| it.factor.ln()).collect::<Vec<_>>())?;
    let above = sorted(&members.iter().map(|it| it.beyond()[0] - centre).collect::<Vec<_>>());
    // The distance that the last of the required scenarios lacks.
    Some((-above[count - heads]).exp())
}

#[cfg(test)]
mod tests;
