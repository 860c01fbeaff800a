//! The test over runs: if the same runs were dealt into the two sides in other ways, how often would anything change as much
//! as it did?
//!
//! If both stacks are equal, chance alone decided which runs are NEW's, and every way to deal them is as likely as the true
//! one. Of each way the largest change of all series counts. A change that at most 5 % of the ways reach with their
//! largest is not chance. Since the largest of all counts, the test corrects for many series at once (Westfall and Young,
//! "Resampling-Based Multiple Testing", 1993: single-step maxT; it is Holm's correction, sharpened by what the runs show of
//! how the series depend on each other). It asks nothing of the form of the noise.
//!
//! The unit of a change is the scatter between runs of one side, which all scenarios share: three runs of one scenario say
//! little about its scatter, three runs of seventy say much. Groups have a scatter of their own, which is smaller. But a few
//! runs say little about it, since all groups share the better and worse hours of their machine: at least half of
//! the scenarios' scatter counts. Without that, three runs that are close together by chance would hide every scenario
//! behind their groups.

use super::series::{Deal, Series, Sides};
use crate::sys::random::Random;

/// The test tries all ways up to this number; of more ways, it draws as many.
const MOST: usize = 10_000;

/// Runs of one side that differ by less than 1 % count as 1 % apart.
const LEAST_SCATTER: f64 = 0.01;

/// The subject of a series; the number is that of its metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Scenario(usize),
    Group(usize),
}

/// The answer of the test.
pub struct Dealt {
    /// Of each series, the share of ways whose largest rise is as large as the series' own, or larger.
    pub p_rise: Vec<f64>,
    /// Of each series, the share of ways whose largest fall is as large as the series' own, or larger.
    pub p_fall: Vec<f64>,
    /// The least significant rise of a series, in scatters; none if no rise would have been significant.
    needed: Option<f64>,
    scales: Scales,
}

impl Dealt {
    /// The least significant rise of a series of this subject; none if no rise would have been significant.
    pub fn needed(&self, subject: Subject) -> Option<f64> {
        Some(self.needed? * self.scales.of(subject))
    }
}

/// The scatter between runs of one side, of scenarios and of groups, by metric.
#[derive(Default)]
struct Scales {
    scenarios: Vec<f64>,
    groups: Vec<f64>,
}

impl Scales {
    fn learn(all: &[(Subject, Sides)]) -> Scales {
        let metrics = all.iter().map(|(subject, _)| subject.metric() + 1).max().unwrap_or(0);
        let scatter = |subject: Subject| {
            let of_subject = || all.iter().filter(|(other, _)| *other == subject).map(|(_, sides)| sides);
            let squares: f64 = of_subject().map(|sides| sides.scatter()).sum();
            let free: u32 = of_subject().map(|sides| sides.free()).sum();
            (squares / f64::from(free.max(1))).sqrt()
        };
        Scales {
            scenarios: (0..metrics).map(|metric| scatter(Subject::Scenario(metric))).collect(),
            groups: (0..metrics).map(|metric| scatter(Subject::Group(metric))).collect(),
        }
    }

    fn of(&self, subject: Subject) -> f64 {
        let of =
            |scales: &[f64]| scales.get(subject.metric()).copied().unwrap_or_default().max(LEAST_SCATTER);
        match subject {
            Subject::Scenario(_) => of(&self.scenarios),
            Subject::Group(_) => of(&self.groups).max(of(&self.scenarios) / 2.0),
        }
    }
}

impl Subject {
    fn metric(self) -> usize {
        match self {
            Subject::Scenario(metric) | Subject::Group(metric) => metric,
        }
    }
}

/// The number of ways to deal runs into sides of these sizes; 10^12 stands for more.
pub fn ways(base: usize, new: usize) -> usize {
    (1..=new).fold(1, |ways: usize, chosen| (ways * (base + chosen) / chosen).min(1_000_000_000_000))
}

/// Tests series, whose first `base` values are BASE's.
pub fn test(series: &[(Subject, Series)], base: usize, new: usize, level: f64) -> Dealt {
    let deals = deals(base, new);
    let (truth, scales) = changes(series, &deals[0]);
    let largest = |changes: &[f64], sign: f64| changes.iter().fold(0.0, |most, it| f64::max(most, sign * it));
    let (mut rises, mut falls) = (Vec::new(), Vec::new());
    for deal in &deals {
        let (changes, _) = changes(series, deal);
        rises.push(largest(&changes, 1.0));
        falls.push(largest(&changes, -1.0));
    }
    let share = |largest: &[f64], change: f64| {
        // Sums in another order differ in their last digits.
        let reached = largest.iter().filter(|largest| **largest >= change - 1e-9).count();
        reached as f64 / largest.len() as f64
    };
    let allowed = (level * deals.len() as f64 + 1e-9) as usize;
    Dealt {
        p_rise: truth.iter().map(|change| share(&rises, *change)).collect(),
        p_fall: truth.iter().map(|change| share(&falls, -*change)).collect(),
        needed: nth_largest(&rises[1..], allowed),
        scales,
    }
}

/// The changes that one way to deal shows, in scatters, and those scatters.
fn changes(series: &[(Subject, Series)], deal: &Deal) -> (Vec<f64>, Scales) {
    let sides: Vec<_> = series.iter().map(|(subject, series)| (*subject, series.sides(deal))).collect();
    let scales = Scales::learn(&sides);
    let changes = sides.iter().map(|(subject, sides)| sides.shift().unwrap_or(0.0) / scales.of(*subject));
    (changes.collect(), scales)
}

/// The n-th largest value, counted from 1.
fn nth_largest(values: &[f64], nth: usize) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(|a, b| b.total_cmp(a));
    nth.checked_sub(1).and_then(|at| values.get(at).copied())
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

    const ONE: Subject = Subject::Scenario(0);

    fn series(values: &[f64]) -> Series {
        Series(values.iter().copied().map(Some).collect())
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
        let dealt = test(&[(ONE, apart)], 3, 3, 0.05);
        assert_eq!((dealt.p_rise[0], dealt.p_fall[0]), (0.05, 1.0));
        let mixed = series(&[1.0, 2.2, 1.1, 2.0, 2.3, 2.1]);
        assert_eq!(test(&[(ONE, mixed)], 3, 3, 0.05).p_rise[0], 0.15, "with 2.2 for 2.0 or 2.1, too");
    }

    /// A series that moves is judged by what the others do by chance.
    #[test]
    fn the_largest_of_all_counts() {
        let quiet = series(&[1.0, 1.2, 1.1, 2.0, 2.3, 2.1]);
        let wild = series(&[9.0, 1.0, 9.5, 1.3, 9.4, 1.1]);
        let alone = test(&[(ONE, quiet.clone())], 3, 3, 0.05).p_rise[0];
        let together = test(&[(ONE, quiet), (ONE, wild)], 3, 3, 0.05).p_rise[0];
        assert!(alone <= 0.05 && together > 0.05, "{alone}, {together}");
    }

    /// Three runs of a group that are close together by chance do not make a unit of their own.
    #[test]
    fn a_group_has_half_the_scatter_of_its_scenarios_at_least() {
        let scenario = series(&[1.0, 1.4, 1.2, 1.0, 1.4, 1.2]);
        let group = series(&[1.0, 1.0001, 1.0, 1.0, 1.0, 1.0001]);
        let scales = test(&[(ONE, scenario), (Subject::Group(0), group)], 3, 3, 0.05).scales;
        assert!((scales.of(ONE) - 0.2).abs() < 1e-9 && (scales.of(Subject::Group(0)) - 0.1).abs() < 1e-9);
    }

    /// What a rise had to be is held against the test itself.
    #[test]
    fn a_rise_that_is_needed_is_enough() {
        let runs = [1.0, 1.3, 1.2, 1.1, 1.4, 1.25];
        let others: Vec<(Subject, Series)> = [[1.1, 1.2, 1.0, 1.3, 1.1, 1.2], [1.3, 1.0, 1.2, 1.2, 1.1, 1.0]]
            .map(|it| (ONE, series(&it)))
            .into();
        let with = |rise: f64| {
            let moved = runs.iter().enumerate().map(|(at, run)| if at < 3 { *run } else { run + rise });
            let mut all = others.clone();
            all.push((ONE, series(&moved.collect::<Vec<_>>())));
            test(&all, 3, 3, 0.05)
        };
        assert!(with(0.0).p_rise[2] > 0.05);
        let needed = with(0.0).needed(ONE).unwrap();
        assert!((0.05..1.0).contains(&needed), "{needed}");
        assert_eq!(with(2.0 * needed).p_rise[2], 0.05);
        assert_eq!(test(&others, 1, 5, 0.05).needed(ONE), None, "one of six ways is more than 5 %");
    }
}
