//! The subjects of a judgement: a metric of a scenario, and a metric of a group of scenarios.

use std::collections::{BTreeMap, BTreeSet};

use super::metric::{DowntimeClock, Metric};
use super::run::{ComparedRun, PlayedScenario};
use super::series::Series;
use super::side;
use super::summary::median;
use crate::report::view::group_of;

/// The group of all scenarios.
pub const ALL: &str = "all";

/// One metric of one scenario, on both sides.
pub struct Item<'a> {
    pub scenario: &'a str,
    pub metric: Metric,
    /// The logarithm of the median of its legs in each run.
    pub series: Series,
    /// All its legs, of BASE and of NEW.
    pub legs: [Vec<f64>; 2],
    /// The logarithm of NEW to BASE.
    pub shift: f64,
    /// The rise and the fall beyond the least effect, as logarithms; negative within it.
    pub beyond: [f64; 2],
    /// Whether it is judged: more than half of the runs of each side have it.
    pub is_judged: bool,
}

/// One metric of several scenarios.
pub struct GroupItem {
    pub group: String,
    pub metric: Metric,
    /// The group's judged scenarios, as places in the list of items.
    pub members: Vec<usize>,
}

impl<'a> Item<'a> {
    fn of(
        scenario: &'a str,
        metric: Metric,
        clock: DowntimeClock,
        base: &[ComparedRun],
        new: &[ComparedRun],
    ) -> Option<Item<'a>> {
        let played = |run: &ComparedRun| -> Option<PlayedScenario> {
            run.scenarios.get(scenario).filter(|it| it.counts()).cloned()
        };
        let median = |run: &ComparedRun| Some(run.scenarios.get(scenario)?.median(metric, clock)?.ln());
        let legs = |runs: &[ComparedRun]| {
            runs.iter().filter_map(played).flat_map(|it| it.values(metric, clock)).collect()
        };
        let series = Series(base.iter().chain(new).map(median).collect());
        let sides = series.sides(&truth(base, new));
        let shift = sides.shift()?;
        let least = |level: Option<f64>| metric.least_shift(level.unwrap_or_default().exp());
        let in_most = |count: u32, runs: &[ComparedRun]| 2 * count as usize > runs.len();
        Some(Item {
            beyond: [shift - least(sides.base.mean()), -shift - least(sides.new.mean())],
            is_judged: in_most(sides.base.count, base) && in_most(sides.new.count, new),
            legs: [legs(base), legs(new)],
            scenario,
            metric,
            series,
            shift,
        })
    }

    /// Every metric of every scenario that both sides have, in the order of names.
    pub fn all(base: &'a [ComparedRun], new: &[ComparedRun], clock: DowntimeClock) -> Vec<Item<'a>> {
        let names = side::scenarios(base).into_iter();
        names
            .flat_map(|name| {
                Metric::ALL.into_iter().filter_map(move |metric| Item::of(name, metric, clock, base, new))
            })
            .collect()
    }
}

impl GroupItem {
    /// Every metric of every mode, order and transport, and of all scenarios if there are several groups.
    pub fn all(items: &[Item<'_>]) -> Vec<GroupItem> {
        let names: BTreeSet<String> = items.iter().map(|item| group_of(item.scenario)).collect();
        let all = (names.len() > 1).then_some(ALL);
        let mut members: BTreeMap<(String, Metric), Vec<usize>> = BTreeMap::new();
        for (place, item) in items.iter().enumerate().filter(|(_, item)| item.is_judged) {
            for group in all.map(str::to_owned).into_iter().chain([group_of(item.scenario)]) {
                members.entry((group, item.metric)).or_default().push(place);
            }
        }
        members.into_iter().map(|((group, metric), members)| GroupItem { group, metric, members }).collect()
    }

    /// For each run the median of its scenarios, each as the difference from its own mean over all runs.
    pub fn series(&self, items: &[Item]) -> Series {
        let members: Vec<(&Series, f64)> = self
            .members
            .iter()
            .filter_map(|place| Some((&items[*place].series, items[*place].series.level()?)))
            .collect();
        let runs = members.first().map_or(0, |(series, _)| series.0.len());
        let of_run = |run: usize| {
            let values: Vec<f64> =
                members.iter().filter_map(|(series, level)| Some(series.0[run]? - level)).collect();
            (!values.is_empty()).then(|| median(&values))
        };
        Series((0..runs).map(of_run).collect())
    }

    /// The rise and the fall of its median scenario beyond the least effect.
    pub fn beyond(&self, items: &[Item]) -> [f64; 2] {
        [0, 1].map(|way: usize| median(&self.of_members(items, |item| item.beyond[way])))
    }

    pub fn of_members(&self, items: &[Item], value: impl Fn(&Item) -> f64) -> Vec<f64> {
        self.members.iter().map(|place| value(&items[*place])).collect()
    }
}

/// The true way to deal the runs: BASE's first.
pub fn truth(base: &[ComparedRun], new: &[ComparedRun]) -> Vec<bool> {
    let mut truth = vec![false; base.len()];
    truth.resize(base.len() + new.len(), true);
    truth
}
