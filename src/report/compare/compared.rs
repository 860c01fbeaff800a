//! Makes a comparison of the runs of both sides.

use super::change::{self, Verdicts};
use super::comparison::{
    Alike, Claim, ComparedScenario, Comparison, FORMAT_VERSION, Group, Measured, RunSummary,
};
use super::item::{ALL, GroupItem, Item, truth};
use super::judge::{Judged, Judgement, LEAST_GROUP, judge};
use super::metric::{DowntimeClock, Metric};
use super::run::{ComparedRun, PlayedScenario};
use super::side::{self, Refusal};
use super::summary::{MetricSummary, median, sorted};
use crate::record::Verdict;
use crate::report::view::group_of;

impl Comparison {
    /// Compares runs.
    ///
    /// # Errors
    /// When a run is given twice, the runs of a side are of different profiles, or no scenario is on both sides.
    pub fn of(base: &[ComparedRun], new: &[ComparedRun]) -> Result<Comparison, Refusal> {
        side::check(base, new)?;
        let all_report = base.iter().chain(new).all(|run| run.has_downtimes);
        let clock = if all_report { DowntimeClock::Reported } else { DowntimeClock::Libvirt };
        let items = Item::all(base, new, clock);
        let group_items = GroupItem::all(&items);
        let judgement = judge(&items, &group_items, base.len(), new.len());
        let scenarios = scenarios(base, new, &items, &judgement.items);
        let groups = groups(base, new, &items, &group_items, &judgement);
        let verdicts = Verdicts::of(base, new);
        let is_worse = |judged: &Judged| judged.claim == Claim::Worse;
        let regression = !verdicts.newly_failing.is_empty()
            || !verdicts.newly_refused.is_empty()
            || judgement.items.iter().chain(&judgement.groups).any(is_worse);
        Ok(Comparison {
            version: FORMAT_VERSION,
            regression,
            base: base.iter().map(run_summary).collect(),
            new: new.iter().map(run_summary).collect(),
            profile_changes: change::facts(&base[0].profile, &new[0].profile),
            stack_changes: change::facts(&side::stack(base), &side::stack(new)),
            downtime_clock: clock,
            notes: side::notes(base, new, clock),
            verdicts,
            alike: Metric::ALL.into_iter().filter_map(|metric| alike(&items, metric)).collect(),
            test: judgement.test,
            reach: judgement.reach,
            groups,
            scenarios,
        })
    }
}

/// The scenarios that passed or failed on both sides.
fn common<'a>(base: &'a [ComparedRun], new: &'a [ComparedRun]) -> Vec<&'a str> {
    let counts = |runs: &[ComparedRun], name: &str| played(runs, name).next().is_some();
    side::scenarios(base).into_iter().filter(|name| counts(base, name) && counts(new, name)).collect()
}

/// A scenario's plays whose numbers count.
fn played<'a>(runs: &'a [ComparedRun], scenario: &str) -> impl Iterator<Item = &'a PlayedScenario> {
    runs.iter().filter_map(move |run| run.scenarios.get(scenario)).filter(|played| played.counts())
}

fn wall_s(runs: &[ComparedRun], scenario: &str) -> Vec<f64> {
    played(runs, scenario).flat_map(|played| played.wall_s.clone()).collect()
}

fn scenarios(
    base: &[ComparedRun],
    new: &[ComparedRun],
    items: &[Item],
    judged: &[Judged],
) -> Vec<ComparedScenario> {
    let of_item = |(item, judged): (&Item, &Judged)| {
        let values: Vec<_> = item.series.0.iter().map(|value| value.map(f64::exp)).collect();
        let (before, after) = values.split_at(base.len());
        measured(item.metric, &item.legs, [before.to_vec(), after.to_vec()], item.shift, *judged)
    };
    let scenario = |name: &str| ComparedScenario {
        scenario: name.to_owned(),
        measured: items
            .iter()
            .zip(judged)
            .filter(|(item, _)| item.scenario == name)
            .filter_map(of_item)
            .collect(),
        wall_s: both([wall_s(base, name), wall_s(new, name)]),
    };
    common(base, new).into_iter().map(scenario).collect()
}

/// Each mode, order and transport, and all scenarios together if there are several groups.
fn groups(
    base: &[ComparedRun],
    new: &[ComparedRun],
    items: &[Item],
    group_items: &[GroupItem],
    judgement: &Judgement,
) -> Vec<Group> {
    let scenarios = common(base, new);
    let mut names: Vec<String> = scenarios.iter().map(|name| group_of(name)).collect();
    names.sort();
    names.dedup();
    names.extend((names.len() > 1).then(|| ALL.to_owned()));
    let group = |name: &str| {
        let is_member = |scenario: &str| name == ALL || group_of(scenario) == name;
        let members: Vec<&str> = scenarios.iter().copied().filter(|scenario| is_member(scenario)).collect();
        let judged = group_items.iter().zip(&judgement.groups).filter(|(group, _)| group.group == name);
        let measured = judged.filter_map(|(group, judged)| {
            let of_group = || items.iter().filter(|it| it.metric == group.metric && is_member(it.scenario));
            let legs =
                [0, 1].map(|side: usize| of_group().flat_map(|item| item.legs[side].clone()).collect());
            let shift = group.series(items).sides(&truth(base, new)).shift()?;
            measured(group.metric, &legs, Default::default(), shift, *judged)
        });
        let wall = |runs| members.iter().flat_map(|name| wall_s(runs, name)).collect::<Vec<_>>();
        Group {
            group: name.to_owned(),
            scenarios: members.len(),
            measured: measured.collect(),
            wall_s: both([wall(base), wall(new)]),
        }
    };
    names.iter().map(|name| group(name)).collect()
}

fn measured(
    metric: Metric,
    legs: &[Vec<f64>; 2],
    by_run: [Vec<Option<f64>>; 2],
    shift: f64,
    judged: Judged,
) -> Option<Measured> {
    let [base, new] = both(legs.clone())?;
    let Judged { p_worse, p_better, claim } = judged;
    Some(Measured { metric, base, new, by_run, factor: shift.exp(), p_worse, p_better, claim })
}

fn both([base, new]: [Vec<f64>; 2]) -> Option<[MetricSummary; 2]> {
    Some([MetricSummary::of(&base)?, MetricSummary::of(&new)?])
}

/// Finds a metric that moved alike: nine of ten scenarios moved in the direction of their median, which is a tenth at least,
/// and the middle half of them lies within a factor of 1.75 of it, as far as equal runs scatter.
fn alike(items: &[Item], metric: Metric) -> Option<Alike> {
    let shifts: Vec<f64> = items.iter().filter(|item| item.metric == metric).map(|item| item.shift).collect();
    let shifts = sorted(&shifts);
    if shifts.len() < LEAST_GROUP {
        return None;
    }
    let middle = median(&shifts);
    let quarter = shifts.len() / 4;
    let middle_half = [shifts[quarter], shifts[shifts.len() - 1 - quarter]];
    let scenarios = shifts.iter().filter(|shift| **shift * middle > 0.0).count();
    let near = middle_half.iter().all(|shift| (shift - middle).abs() <= 1.75_f64.ln());
    let found = middle.abs() >= 1.1_f64.ln() && scenarios * 10 >= shifts.len() * 9 && near;
    found.then(|| Alike {
        metric,
        factor: middle.exp(),
        middle_half: middle_half.map(f64::exp),
        scenarios,
        of: shifts.len(),
    })
}

fn run_summary(run: &ComparedRun) -> RunSummary {
    let count = |verdict| run.scenarios.values().filter(|played| played.verdict == Some(verdict)).count();
    RunSummary {
        run: run.name.clone(),
        path: run.path.clone(),
        ended: run.ended,
        scenarios: run.scenarios.len(),
        passed: count(Verdict::Passed),
        failed: count(Verdict::Failed),
    }
}
