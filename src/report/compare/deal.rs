//! The test: if the stacks are equal, would another way to deal what was measured into the two sides show as much?
//!
//! If both stacks are equal, chance alone decided which runs are NEW's, and every way to deal them is as likely as the true
//! one. Of each way the largest change of all questions counts. A change that at most 5 % of the ways reach with their
//! largest is not chance. Since the largest of all counts, the test corrects for many questions at once (Westfall and Young,
//! "Resampling-Based Multiple Testing", 1993: single-step maxT). It asks nothing of the form of the noise.
//!
//! Enough runs are dealt as wholes. The unit of a change is then the scatter between runs of one side, which all scenarios
//! share: three runs of one scenario say little about its scatter, three runs of seventy say much. Groups have a scatter of
//! their own, which is smaller. But a few runs say little about it, since all groups share the better and worse hours of
//! their machine: at least half of the scenarios' scatter counts. Without that, three runs that are close together by chance
//! would hide every scenario behind their groups.
//!
//! Fewer runs are dealt scenario by scenario: a coin decides for each whether BASE and NEW swap its numbers. A single
//! scenario then shows as much in every second way, so that only groups can be asked about.

use std::collections::BTreeMap;

use super::metric::Metric;
use crate::sys::random::Random;

/// The test tries all ways to deal runs up to this number; of more ways, it draws as many.
pub const MOST: usize = 10_000;

/// Runs of one side that differ by less than 1 % count as 1 % apart.
const LEAST_SCATTER: f64 = 0.01;

/// One question about runs: a metric of a scenario or of a group in every run, BASE's runs first. The numbers are natural
/// logarithms, so that a difference is a factor. A run that does not have the metric has none.
#[derive(Clone, Debug)]
pub struct Series {
    pub metric: Metric,
    pub is_group: bool,
    pub runs: Vec<Option<f64>>,
}

/// The answer of the test to one question.
#[derive(Clone, Copy, Debug)]
pub struct DealAnswer {
    /// The share of ways whose largest rise is as large as the series' own, or larger.
    pub p_rise: f64,
    /// The share of ways whose largest fall is as large as the series' own, or larger.
    pub p_fall: f64,
    /// The least significant rise; none if no rise would have been significant.
    pub needed: Option<f64>,
}

/// The number of ways to deal runs into sides of these sizes; 10^12 stands for more.
pub fn ways(base: usize, new: usize) -> usize {
    (1..=new).fold(1, |ways: usize, chosen| (ways * (base + chosen) / chosen).min(1_000_000_000_000))
}

/// Deals whole runs, of which the first `base` of every series are BASE's.
pub fn test_runs(series: &[Series], base: usize, new: usize, level: f64) -> Vec<DealAnswer> {
    let deals = deals(base, new);
    let sizes = |deal: &Vec<bool>| changes(series, deal).iter().map(|change| change.size).collect();
    let (shares, needed) = held_against(deals.iter().map(sizes), level);
    let units = changes(series, &deals[0]).into_iter().map(|change| change.unit);
    let answer = |([p_rise, p_fall], unit): ([f64; 2], f64)| DealAnswer {
        p_rise,
        p_fall,
        needed: needed.map(|needed| needed * unit),
    };
    shares.into_iter().zip(units).map(answer).collect()
}

/// Deals each scenario for itself. A group has the number of each of its scenarios and the natural logarithm of the
/// scenario's change.
pub fn test_scenarios(groups: &[Vec<(usize, f64)>], level: f64) -> Vec<DealAnswer> {
    let scenarios = groups.iter().flatten().map(|(scenario, _)| scenario + 1).max().unwrap_or_default();
    let mut random = Random(1);
    let mut coins = |way: usize| -> Vec<f64> {
        (0..scenarios).map(|_| if way == 0 || random.bits() >> 63 == 0 { 1.0 } else { -1.0 }).collect()
    };
    // Of a group whose scenarios all change alike it is the root of their number.
    let size = |group: &Vec<(usize, f64)>, coins: &[f64]| {
        let sum: f64 = group.iter().map(|(scenario, change)| coins[*scenario] * change).sum();
        let squares: f64 = group.iter().map(|(_, change)| change * change).sum();
        sum / squares.sqrt().max(LEAST_SCATTER)
    };
    let ways = (0..MOST).map(|way| {
        let coins = coins(way);
        groups.iter().map(|group| size(group, &coins)).collect()
    });
    let (shares, needed) = held_against(ways, level);
    // The change of all scenarios alike, scattered as they are, that makes that size.
    let change = |group: &Vec<(usize, f64)>| {
        let (count, square) = (group.len() as f64, needed? * needed?);
        let mean = group.iter().map(|(_, change)| change).sum::<f64>() / count;
        let variance = group.iter().map(|(_, change)| (change - mean).powi(2)).sum::<f64>() / count;
        (square < count).then(|| (variance * square / (count - square)).sqrt())
    };
    let answer =
        |([p_rise, p_fall], group): ([f64; 2], &Vec<_>)| DealAnswer { p_rise, p_fall, needed: change(group) };
    shares.into_iter().zip(groups).map(answer).collect()
}

/// Holds every question's size in the true way, the first one, against the largest size of all questions in each way: the
/// shares of ways with such a rise and with such a fall, and the least size of a significant rise, if any would be.
fn held_against(ways: impl Iterator<Item = Vec<f64>>, level: f64) -> (Vec<[f64; 2]>, Option<f64>) {
    let mut ways = ways.peekable();
    let truth = ways.peek().cloned().unwrap_or_default();
    let largest =
        |sizes: Vec<f64>| [1.0, -1.0].map(|sign| sizes.iter().map(|it| sign * it).fold(0.0, f64::max));
    // The largest rise and the largest fall of each way.
    let largest: Vec<[f64; 2]> = ways.map(largest).collect();
    // Sums in another order differ in their last digits.
    let share = |way: usize, size: f64| {
        largest.iter().filter(|largest| largest[way] >= size - 1e-9).count() as f64 / largest.len() as f64
    };
    let allowed = (level * largest.len() as f64 + 1e-9) as usize;
    let mut by_chance: Vec<f64> = largest[1..].iter().map(|[rise, _]| *rise).collect();
    by_chance.sort_by(|a, b| b.total_cmp(a));
    let needed = allowed.checked_sub(1).and_then(|at| by_chance.get(at)).copied();
    (truth.iter().map(|size| [share(0, *size), share(1, -size)]).collect(), needed)
}

/// The change of a series.
struct DealtChange {
    /// NEW above BASE, in units.
    size: f64,
    /// The scatter between runs of one side.
    unit: f64,
}

/// The changes that one way to deal shows: true stands for each run that is one of NEW's.
fn changes(series: &[Series], deal: &[bool]) -> Vec<DealtChange> {
    let sides: Vec<[DealtSide; 2]> =
        series.iter().map(|it| [false, true].map(|is_new| DealtSide::of(&it.runs, deal, is_new))).collect();
    let mut pooled: BTreeMap<(Metric, bool), (f64, usize)> = BTreeMap::new();
    for (it, sides) in series.iter().zip(&sides) {
        let (squares, free) = pooled.entry((it.metric, it.is_group)).or_default();
        *squares += sides.iter().map(|side| side.squares).sum::<f64>();
        *free += sides.iter().map(|side| side.count.saturating_sub(1)).sum::<usize>();
    }
    let scatter = |metric, is_group| {
        let (squares, free) = pooled.get(&(metric, is_group)).copied().unwrap_or_default();
        (squares / free.max(1) as f64).sqrt().max(LEAST_SCATTER)
    };
    let change = |(it, [base, new]): (&Series, &[DealtSide; 2])| {
        let of_scenarios = scatter(it.metric, false);
        let unit = if it.is_group { scatter(it.metric, true).max(of_scenarios / 2.0) } else { of_scenarios };
        let is_on_both = base.count > 0 && new.count > 0;
        DealtChange { size: if is_on_both { (new.mean - base.mean) / unit } else { 0.0 }, unit }
    };
    series.iter().zip(&sides).map(change).collect()
}

/// The runs of a series that a deal gives to one side.
struct DealtSide {
    count: usize,
    mean: f64,
    /// The squared distances of the runs from their mean.
    squares: f64,
}

impl DealtSide {
    fn of(runs: &[Option<f64>], deal: &[bool], is_new: bool) -> DealtSide {
        let values =
            || runs.iter().zip(deal).filter(|(_, dealt)| **dealt == is_new).filter_map(|(value, _)| *value);
        let count = values().count();
        let mean = values().sum::<f64>() / count.max(1) as f64;
        DealtSide { count, mean, squares: values().map(|value| (value - mean).powi(2)).sum() }
    }
}

/// Ways to deal, the true one first: all of them, or [`MOST`] that are drawn.
fn deals(base: usize, new: usize) -> Vec<Vec<bool>> {
    let truth: Vec<bool> = (0..base + new).map(|run| run >= base).collect();
    let mut deals = vec![truth.clone()];
    let mut deal = truth;
    if ways(base, new) <= MOST {
        while next(&mut deal) {
            deals.push(deal.clone());
        }
    } else {
        let mut random = Random(1);
        while deals.len() < MOST {
            random.shuffle(&mut deal);
            deals.push(deal.clone());
        }
    }
    deals
}

/// The next way in ascending order, false before true; the true way is the first.
fn next(deal: &mut [bool]) -> bool {
    let Some(at) = (1..deal.len()).rev().find(|at| !deal[at - 1] && deal[*at]) else { return false };
    deal.swap(at - 1, at);
    deal[at + 1..].sort_unstable();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        Series {
            metric: Metric::TotalTime,
            is_group: false,
            runs: values.iter().copied().map(Some).collect(),
        }
    }

    #[test]
    fn all_ways_are_tried_once() {
        for (base, new, expected) in [(1, 1, 2), (3, 2, 10), (3, 3, 20), (5, 5, 252), (8, 1, 9)] {
            let mut deals = deals(base, new);
            assert_eq!((deals.len(), ways(base, new)), (expected, expected));
            assert!(deals.iter().all(|deal| deal.iter().filter(|is_new| **is_new).count() == new));
            assert!(!deals[0][base - 1] && deals[0][base], "the true one is the first");
            deals.sort();
            deals.dedup();
            assert_eq!(deals.len(), expected);
        }
        assert_eq!((ways(40, 40), deals(40, 40).len()), (1_000_000_000_000, MOST));
    }

    /// By hand: NEW's three are the largest, so only the true way of 20 shows such a rise.
    #[test]
    fn three_that_are_above_three_are_one_way_in_twenty() {
        let apart = series(&[1.0, 1.2, 1.1, 2.0, 2.3, 2.1]);
        let answer = test_runs(&[apart], 3, 3, 0.05)[0];
        assert_eq!((answer.p_rise, answer.p_fall), (0.05, 1.0));
        let mixed = series(&[1.0, 2.2, 1.1, 2.0, 2.3, 2.1]);
        assert_eq!(test_runs(&[mixed], 3, 3, 0.05)[0].p_rise, 0.15, "with 2.2 for 2.0 or 2.1, too");
    }

    /// A series that moves is judged by what the others do by chance.
    #[test]
    fn the_largest_of_all_counts() {
        let quiet = series(&[1.0, 1.2, 1.1, 2.0, 2.3, 2.1]);
        let wild = series(&[9.0, 1.0, 9.5, 1.3, 9.4, 1.1]);
        let alone = test_runs(std::slice::from_ref(&quiet), 3, 3, 0.05)[0].p_rise;
        let together = test_runs(&[quiet, wild], 3, 3, 0.05)[0].p_rise;
        assert!(alone <= 0.05 && together > 0.05, "{alone}, {together}");
    }

    /// Three runs of a group that are close together by chance do not make a unit of their own.
    #[test]
    fn a_group_has_half_the_scatter_of_its_scenarios_at_least() {
        let scenario = series(&[1.0, 1.4, 1.2, 1.0, 1.4, 1.2]);
        let group = Series { is_group: true, ..series(&[1.0, 1.0001, 1.0, 1.0, 1.0, 1.0001]) };
        let changes = changes(&[scenario, group], &[false, false, false, true, true, true]);
        assert!((changes[0].unit - 0.2).abs() < 1e-9 && (changes[1].unit - 0.1).abs() < 1e-9);
    }

    /// What a rise had to be is held against the test itself.
    #[test]
    fn a_rise_that_is_needed_is_enough() {
        let runs = [1.0, 1.3, 1.2, 1.1, 1.4, 1.25];
        let others: Vec<Series> =
            [[1.1, 1.2, 1.0, 1.3, 1.1, 1.2], [1.3, 1.0, 1.2, 1.2, 1.1, 1.0]].map(|it| series(&it)).into();
        let with = |rise: f64| {
            let moved = runs.iter().enumerate().map(|(at, run)| if at < 3 { *run } else { run + rise });
            let mut all = others.clone();
            all.push(series(&moved.collect::<Vec<_>>()));
            test_runs(&all, 3, 3, 0.05)[2]
        };
        assert!(with(0.0).p_rise > 0.05);
        let needed = with(0.0).needed.unwrap();
        assert!((0.05..1.0).contains(&needed), "{needed}");
        assert_eq!(with(2.0 * needed).p_rise, 0.05);
        assert_eq!(test_runs(&others, 1, 5, 0.05)[0].needed, None, "one of six ways is more than 5 %");
    }

    /// By hand: of six scenarios that all rise by as much, one of 64 ways to swap their sides shows such a rise.
    #[test]
    fn six_that_all_rise_are_one_way_in_64() {
        let of = |changes: [f64; 6]| changes.into_iter().enumerate().collect::<Vec<_>>();
        let rising = of([1.0; 6]);
        let p = |groups: &[Vec<(usize, f64)>]| test_scenarios(groups, 0.05)[0].p_rise;
        assert!((0.012..0.020).contains(&p(std::slice::from_ref(&rising))));
        assert!(p(&[of([1.0, 1.0, -1.0, 1.0, 1.0, 1.0])]) > 0.05);
        let mixed = [1.0, -1.0, 1.0, -1.0, 1.0, -1.0].into_iter().enumerate();
        let others = |from: usize| mixed.clone().map(|(at, change)| (from + at, change)).collect();
        assert!(
            p(&[rising, others(6), others(12), others(18), others(24)]) > 0.05,
            "the largest of all counts"
        );
        assert_eq!(test_scenarios(&[vec![(0, 5.0)]], 0.05)[0].needed, None, "one alone is never enough");
        assert!(test_scenarios(&[], 0.05).is_empty());
    }
}
