//! The comparison of two runs: what differs, and what of it is beyond noise. The room's head says by which rules.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{self, Verdicts};
use super::comparison::{
    Alike, Claim, Comparison, FORMAT_VERSION, Group, Measured, Noise, RunSummary, Scenario,
};
use super::correct::{benjamini_hochberg, holm};
use super::metric::{DowntimeClock, Metric};
use super::noise::Scatter;
use super::rank;
use super::run::{Played, Run};
use super::summary::{Summary, median, sorted};
use crate::record::Verdict;
use crate::report::view::group_of;

/// The level of every test.
pub(super) const LEVEL: f64 = 0.05;

/// With fewer scenarios, not even a group in which all got worse is significant at [`LEVEL`].
pub(super) const LEAST_GROUP: usize = 6;

/// The group of all scenarios.
const ALL: &str = "all";

/// One metric of one scenario, in both runs.
struct Pair<'a> {
    scenario: &'a str,
    metric: Metric,
    base: Vec<f64>,
    new: Vec<f64>,
    /// The natural logarithm of NEW to BASE.
    shift: f64,
}

/// Worse or better: the same tests with the runs exchanged.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Worse,
    Better,
}

impl<'a> Pair<'a> {
    fn of(scenario: &'a str, metric: Metric, base: Vec<f64>, new: Vec<f64>) -> Option<Pair<'a>> {
        if base.is_empty() || new.is_empty() {
            return None;
        }
        let shift = rank::shift(&logarithms(&base), &logarithms(&new));
        Some(Pair { scenario, metric, base, new, shift })
    }

    /// `{mode}_{order}`.
    fn group(&self) -> &'a str {
        group_of(self.scenario)
    }

    fn mode(&self) -> &'a str {
        self.group().split('_').next().unwrap_or_default()
    }

    /// The values of the run that should have less, and of the other.
    fn sides(&self, way: Way) -> (&[f64], &[f64]) {
        match way {
            Way::Worse => (&self.base, &self.new),
            Way::Better => (&self.new, &self.base),
        }
    }

    fn least(&self, way: Way) -> f64 {
        self.metric.least_shift(median(self.sides(way).0))
    }

    /// By how much the shift exceeds the least that matters.
    fn beyond(&self, way: Way) -> f64 {
        let shift = if way == Way::Worse { self.shift } else { -self.shift };
        shift - self.least(way)
    }

    fn p_legs(&self, way: Way) -> f64 {
        let (less, more) = self.sides(way);
        let least = self.least(way);
        let raised: Vec<f64> = logarithms(less).into_iter().map(|value| value + least).collect();
        rank::mann_whitney(&raised, &logarithms(more))
    }
}

fn logarithms(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.ln()).collect()
}

impl Comparison {
    /// Compares two runs, which were read from these places. None if they have no scenario in common.
    pub fn of(base: (&Run, &str), new: (&Run, &str)) -> Option<Comparison> {
        let ((base, base_path), (new, new_path)) = (base, new);
        if !base.scenarios.keys().any(|name| new.scenarios.contains_key(name)) {
            return None;
        }
        let clock = if base.has_downtimes && new.has_downtimes {
            DowntimeClock::Reported
        } else {
            DowntimeClock::Libvirt
        };
        let played = |played: &Played| matches!(played.verdict, Some(Verdict::Passed | Verdict::Failed));
        let common: Vec<(&str, &Played, &Played)> = base
            .scenarios
            .iter()
            .filter_map(|(name, before)| Some((name.as_str(), before, new.scenarios.get(name)?)))
            .filter(|(_, before, after)| played(before) && played(after))
            .collect();
        let pairs: Vec<Pair> = common
            .iter()
            .flat_map(|(name, before, after)| {
                Metric::ALL.into_iter().filter_map(move |metric| {
                    Pair::of(name, metric, before.values(metric, clock), after.values(metric, clock))
                })
            })
            .collect();

        let scatters = scatters(&pairs);
        let worse = Judgement::of(&pairs, &scatters, Way::Worse);
        let better = Judgement::of(&pairs, &scatters, Way::Better);
        let scenarios = scenarios(&common, &pairs, &worse, &better);
        let groups = groups(&common, &pairs, &worse, &better);
        let verdicts = Verdicts::of(base, new);
        let claimed = |measured: &[Measured]| measured.iter().any(|it| it.claim == Claim::Worse);
        let regression = !verdicts.newly_failing.is_empty()
            || scenarios.iter().any(|scenario| claimed(&scenario.measured))
            || groups.iter().any(|group| claimed(&group.measured));
        Some(Comparison {
            version: FORMAT_VERSION,
            regression,
            base: run_summary(base, base_path),
            new: run_summary(new, new_path),
            profile_changes: change::facts(&base.profile, &new.profile),
            stack_changes: change::facts(&base.stack, &new.stack),
            downtime_clock: clock,
            notes: notes(base, new, clock),
            verdicts,
            alike: Metric::ALL.into_iter().filter_map(|metric| alike(&pairs, metric)).collect(),
            noise: noise(&scatters, pairs.len()),
            groups,
            scenarios,
        })
    }
}

type Scatters<'a> = BTreeMap<(Metric, &'a str), Scatter>;

/// By metric and mode: the downtimes of pre-copy and post-copy have nothing in common.
fn scatters<'a>(pairs: &[Pair<'a>]) -> Scatters<'a> {
    let keys: BTreeSet<(Metric, &str)> = pairs.iter().map(|pair| (pair.metric, pair.mode())).collect();
    let learn = |(metric, mode): (Metric, &'a str)| {
        let mut by_group: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for pair in pairs.iter().filter(|pair| (pair.metric, pair.mode()) == (metric, mode)) {
            by_group.entry(pair.group()).or_default().push(pair.shift);
        }
        let by_group: Vec<Vec<f64>> = by_group.into_values().collect();
        let mut scatter = Scatter::learn(metric, &by_group);
        if scatter.learnt_from == 0 {
            // Together they may be enough.
            scatter = Scatter::learn(metric, &[by_group.concat()]);
        }
        ((metric, mode), scatter)
    };
    keys.into_iter().map(learn).collect()
}

/// The tests in one direction.
struct Judgement<'a> {
    /// As the pairs.
    scenarios: Vec<Judged>,
    groups: BTreeMap<(&'a str, Metric), Judged>,
}

#[derive(Clone, Copy)]
struct Judged {
    p: f64,
    p_legs: f64,
    claimed: bool,
}

impl<'a> Judgement<'a> {
    fn of(pairs: &[Pair<'a>], scatters: &Scatters<'a>, way: Way) -> Judgement<'a> {
        let groups = Judgement::groups(pairs, way);
        let is_claimed =
            |group: &'a str, metric| groups.get(&(group, metric)).is_some_and(|judged| judged.claimed);
        let p: Vec<f64> =
            pairs.iter().map(|pair| scatters[&(pair.metric, pair.mode())].p(pair.beyond(way))).collect();
        // What is tested together with a pair: of its group, if that as a whole is claimed; of everything else.
        let family = |pair: &Pair<'a>| {
            if is_claimed(pair.group(), pair.metric) {
                Some((pair.group(), pair.metric))
            } else {
                is_claimed(ALL, pair.metric).then_some((ALL, pair.metric))
            }
        };
        let mut significant = vec![false; pairs.len()];
        for chosen in pairs.iter().map(family).collect::<BTreeSet<_>>() {
            let members: Vec<usize> = (0..pairs.len())
                .filter(|index| match chosen {
                    None => true,
                    Some((group, metric)) => {
                        pairs[*index].metric == metric && [ALL, pairs[*index].group()].contains(&group)
                    }
                })
                .collect();
            let of_members: Vec<f64> = members.iter().map(|index| p[*index]).collect();
            for (index, holds) in members.into_iter().zip(benjamini_hochberg(&of_members, LEVEL)) {
                if family(&pairs[index]) == chosen {
                    significant[index] = holds;
                }
            }
        }
        let judge = |(index, pair): (usize, &Pair<'a>)| {
            let p_legs = pair.p_legs(way);
            Judged { p: p[index], p_legs, claimed: significant[index] && p_legs <= LEVEL }
        };
        Judgement { scenarios: pairs.iter().enumerate().map(judge).collect(), groups }
    }

    fn groups(pairs: &[Pair<'a>], way: Way) -> BTreeMap<(&'a str, Metric), Judged> {
        let mut beyond: BTreeMap<(&'a str, Metric), Vec<f64>> = BTreeMap::new();
        for pair in pairs {
            for group in [pair.group(), ALL] {
                beyond.entry((group, pair.metric)).or_default().push(pair.beyond(way));
            }
        }
        beyond.retain(|_, beyond| beyond.len() >= LEAST_GROUP);
        let p: Vec<f64> = beyond.values().map(|beyond| rank::signed_ranks(beyond)).collect();
        let significant = holm(&p, LEVEL);
        let judged = beyond.into_iter().zip(p.into_iter().zip(significant));
        judged
            .map(|((key, beyond), (p, significant))| {
                // The test alone may also tell that a minority got very much worse, which is not the group.
                (key, Judged { p, p_legs: 1.0, claimed: significant && median(&beyond) > 0.0 })
            })
            .collect()
    }
}

fn claim(worse: Option<&Judged>, better: Option<&Judged>) -> Claim {
    if worse.is_some_and(|judged| judged.claimed) {
        Claim::Worse
    } else if better.is_some_and(|judged| judged.claimed) {
        Claim::Better
    } else {
        Claim::None
    }
}

fn scenarios(
    common: &[(&str, &Played, &Played)],
    pairs: &[Pair<'_>],
    worse: &Judgement<'_>,
    better: &Judgement<'_>,
) -> Vec<Scenario> {
    let measured = |name: &str| {
        let of_name = pairs.iter().enumerate().filter(|(_, pair)| pair.scenario == name);
        of_name
            .filter_map(|(index, pair)| {
                let (worse, better) = (&worse.scenarios[index], &better.scenarios[index]);
                Some(Measured {
                    metric: pair.metric,
                    base: Summary::of(&pair.base)?,
                    new: Summary::of(&pair.new)?,
                    factor: pair.shift.exp(),
                    p_worse: Some(worse.p),
                    p_better: Some(better.p),
                    p_legs: Some(if pair.shift >= 0.0 { worse.p_legs } else { better.p_legs }),
                    claim: claim(Some(worse), Some(better)),
                })
            })
            .collect()
    };
    common
        .iter()
        .map(|(name, before, after)| Scenario {
            scenario: (*name).to_owned(),
            measured: measured(name),
            wall_s: both(&before.wall_s, &after.wall_s),
        })
        .collect()
}

fn groups(
    common: &[(&str, &Played, &Played)],
    pairs: &[Pair<'_>],
    worse: &Judgement<'_>,
    better: &Judgement<'_>,
) -> Vec<Group> {
    let mut names: Vec<&str> = Vec::new();
    for (name, ..) in common {
        let group = group_of(name);
        if !names.contains(&group) {
            names.push(group);
        }
    }
    names.push(ALL);
    let is_in = |group: &str, scenario: &str| group == ALL || group_of(scenario) == group;
    let measured = |group: &str, metric: Metric| {
        let members: Vec<&Pair> =
            pairs.iter().filter(|pair| pair.metric == metric && is_in(group, pair.scenario)).collect();
        let legs =
            |side: fn(&Pair) -> Vec<f64>| members.iter().flat_map(|pair| side(pair)).collect::<Vec<_>>();
        let key = (group, metric);
        let (worse, better) = (worse.groups.get(&key), better.groups.get(&key));
        Some(Measured {
            metric,
            base: Summary::of(&legs(|pair| pair.base.clone()))?,
            new: Summary::of(&legs(|pair| pair.new.clone()))?,
            factor: median(&members.iter().map(|pair| pair.shift).collect::<Vec<_>>()).exp(),
            p_worse: worse.map(|judged| judged.p),
            p_better: better.map(|judged| judged.p),
            p_legs: None,
            claim: claim(worse, better),
        })
    };
    let group = |name: &str| {
        let members: Vec<_> = common.iter().filter(|(scenario, ..)| is_in(name, scenario)).collect();
        let wall = |side: fn(&(&str, &Played, &Played)) -> Vec<f64>| {
            members.iter().flat_map(|member| side(member)).collect::<Vec<_>>()
        };
        Group {
            group: name.to_owned(),
            scenarios: members.len(),
            measured: Metric::ALL.into_iter().filter_map(|metric| measured(name, metric)).collect(),
            wall_s: both(
                &wall(|(_, before, _)| before.wall_s.clone()),
                &wall(|(.., after)| after.wall_s.clone()),
            ),
        }
    };
    names.into_iter().map(group).collect()
}

fn both(base: &[f64], new: &[f64]) -> Option<[Summary; 2]> {
    Some([Summary::of(base)?, Summary::of(new)?])
}

/// A metric moved alike if nine of ten scenarios moved in the direction of their median, that is a tenth at least, and the
/// middle half of them are within a factor of 1.75 of it: the scatter of equal runs makes as much.
fn alike(pairs: &[Pair<'_>], metric: Metric) -> Option<Alike> {
    let shifts: Vec<f64> = pairs.iter().filter(|pair| pair.metric == metric).map(|pair| pair.shift).collect();
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

fn noise(scatters: &Scatters<'_>, tests: usize) -> Vec<Noise> {
    scatters
        .iter()
        .map(|((metric, mode), scatter)| Noise {
            metric: *metric,
            mode: (*mode).to_owned(),
            factor: scatter.deviation.exp(),
            learnt_from: scatter.learnt_from,
            claimed_from: metric.least_factor() * scatter.beyond(LEVEL / tests as f64).exp(),
        })
        .collect()
}

fn run_summary(run: &Run, path: &str) -> RunSummary {
    let count = |verdict| run.scenarios.values().filter(|played| played.verdict == Some(verdict)).count();
    RunSummary {
        run: run.name.clone(),
        path: path.to_owned(),
        ended: run.ended,
        scenarios: run.scenarios.len(),
        passed: count(Verdict::Passed),
        failed: count(Verdict::Failed),
    }
}

fn notes(base: &Run, new: &Run, clock: DowntimeClock) -> Vec<String> {
    let mut notes = Vec::new();
    if clock == DowntimeClock::Libvirt {
        let which = match (base.has_downtimes, new.has_downtimes) {
            (false, false) => "Neither record has",
            (false, true) => "BASE has no",
            _ => "NEW has no",
        };
        notes.push(format!(
            "{which} downtime events: the downtimes are libvirt's own, which are not what guests and clients felt."
        ));
        for (name, run) in [("BASE", base), ("NEW", new)] {
            if run.impossible_downtimes > 0 {
                notes.push(format!(
                    "{} of libvirt's downtimes in {name} are longer than their migrations, and left out.",
                    run.impossible_downtimes
                ));
            }
        }
    }
    for (name, run) in [("BASE", base), ("NEW", new)] {
        if !run.ended {
            notes.push(format!("{name} has no end: it was cut off, or is still under way."));
        }
    }
    notes
}

#[cfg(test)]
mod tests;
