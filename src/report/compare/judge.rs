//! Judges which differences are beyond noise. The room's head has the rules.

use super::comparison::{Claim, Reach, Test};
use super::deal::{self, Subject};
use super::item::{GroupItem, Item};
use super::metric::Metric;
use super::sign;
use super::summary::{median, sorted};

/// The level of both tests.
pub(super) const LEVEL: f64 = 0.05;

/// The least scenarios of a group: with fewer, coins could show even a rise of all of them.
pub(super) const LEAST_GROUP: usize = 6;

/// The claims about every item and about every group, in their order.
pub(super) struct Judgement {
    pub test: Test,
    pub items: Vec<Judged>,
    pub groups: Vec<Judged>,
    pub reach: Vec<Reach>,
}

/// The claim about one item or group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Judged {
    pub p_worse: Option<f64>,
    pub p_better: Option<f64>,
    pub claim: Claim,
}

impl Judged {
    /// Claims a difference that is significant and exceeds the least effect.
    fn of(p_worse: f64, p_better: f64, beyond: [f64; 2]) -> Judged {
        let claim = match beyond {
            [worse, _] if worse >= 0.0 && p_worse <= LEVEL => Claim::Worse,
            [_, better] if better >= 0.0 && p_better <= LEVEL => Claim::Better,
            _ => Claim::None,
        };
        Judged { p_worse: Some(p_worse), p_better: Some(p_better), claim }
    }
}

/// Judges by the test over runs if there are enough of them, otherwise by the test over scenarios.
pub(super) fn judge(items: &[Item], groups: &[GroupItem], base: usize, new: usize) -> Judgement {
    let mut judgement = Judgement {
        test: Test::Runs { ways: deal::ways(base, new) },
        items: vec![Judged::default(); items.len()],
        groups: vec![Judged::default(); groups.len()],
        reach: Vec::new(),
    };
    let large = places(groups, |group| group.members.len() >= LEAST_GROUP);
    if deal::ways(base, new) as f64 * LEVEL >= 1.0 {
        judgement.by_runs(items, groups, &large, base, new);
    } else {
        judgement.by_scenarios(items, groups, &large);
    }
    judgement
}

fn places<T>(all: &[T], is_meant: impl Fn(&T) -> bool) -> Vec<usize> {
    (0..all.len()).filter(|place| is_meant(&all[*place])).collect()
}

impl Judgement {
    /// Tests all scenarios and all large groups together. Scenarios have a scatter by metric, groups another.
    fn by_runs(&mut self, items: &[Item], groups: &[GroupItem], large: &[usize], base: usize, new: usize) {
        let asked = places(items, |item| item.is_judged);
        let mut series: Vec<_> = asked
            .iter()
            .map(|place| (Subject::Scenario(items[*place].metric as usize), items[*place].series.clone()))
            .collect();
        let of_large = large.iter().map(|place| &groups[*place]);
        series.extend(of_large.map(|group| (Subject::Group(group.metric as usize), group.series(items))));
        let dealt = deal::test(&series, base, new, LEVEL);

        let judged = |at: usize, beyond| Judged::of(dealt.p_rise[at], dealt.p_fall[at], beyond);
        for (at, place) in asked.iter().enumerate() {
            self.items[*place] = judged(at, items[*place].beyond);
        }
        for (at, place) in large.iter().enumerate() {
            self.groups[*place] = judged(asked.len() + at, groups[*place].beyond(items));
        }

        let factor = |subject: Subject, least: &[f64]| {
            let needed = dealt.needed(subject)?;
            Some(needed.max(median(least)).exp())
        };
        let least = |item: &Item| item.shift - item.beyond[0];
        for metric in Metric::ALL {
            let of_metric = asked.iter().map(|place| &items[*place]).filter(|item| item.metric == metric);
            let leasts: Vec<f64> = of_metric.map(least).collect();
            if !leasts.is_empty() {
                self.reach.push(Reach {
                    metric,
                    group: None,
                    factor: factor(Subject::Scenario(metric as usize), &leasts),
                });
            }
            for group in large.iter().map(|place| &groups[*place]).filter(|group| group.metric == metric) {
                let factor = factor(Subject::Group(metric as usize), &group.of_members(items, least));
                self.reach.push(Reach { metric, group: Some(group.group.to_owned()), factor });
            }
        }
    }

    /// Tests only large groups: whether more of their scenarios are beyond the least effect than coins show.
    fn by_scenarios(&mut self, items: &[Item], groups: &[GroupItem], large: &[usize]) {
        self.test = Test::Scenarios { questions: large.len() };
        let p = |way: usize| -> Vec<f64> {
            let p_of = |place: &usize| {
                let beyond = groups[*place].of_members(items, |item| item.beyond[way]);
                sign::heads(beyond.iter().filter(|beyond| **beyond > 0.0).count(), beyond.len())
            };
            sign::holm(&large.iter().map(p_of).collect::<Vec<_>>())
        };
        let (worse, better) = (p(0), p(1));
        for (at, place) in large.iter().enumerate() {
            let group = &groups[*place];
            self.groups[*place] = Judged::of(worse[at], better[at], group.beyond(items));
            let factor = needed_by_signs(group, items, large.len());
            self.reach.push(Reach { metric: group.metric, group: Some(group.group.to_owned()), factor });
        }
        let of_one = |metric| Reach { metric, group: None, factor: None };
        self.reach.extend(Metric::ALL.into_iter().map(of_one));
    }
}

/// The factor from which on enough scenarios of a group would be beyond the least effect, if all moved alike and scattered
/// as they do.
fn needed_by_signs(group: &GroupItem, items: &[Item], questions: usize) -> Option<f64> {
    let count = group.members.len();
    let heads = (0..=count).find(|heads| sign::heads(*heads, count) * questions as f64 <= LEVEL)?;
    let centre = median(&group.of_members(items, |item| item.shift));
    let above = sorted(&group.of_members(items, |item| item.beyond[0] - centre));
    // The distance that the last of the required scenarios lacks.
    Some((-above[count - heads]).exp())
}

#[cfg(test)]
mod tests;
