//! A small subset of the matrix in which every pair of values of two axes still occurs: pairwise coverage.
//!
//! Most faults need one value or two values together. All pairs are in far fewer scenarios than all combinations.

use std::cmp::Reverse;

use super::{AxisValue, Location, Mode, Order, Scenario, Sizing, Workload};

/// Scenarios in which every pair of values occurs that occurs in `matrix`, in its order.
///
/// Greedy: the scenario that adds the most pairs is next. Among equals it is the one whose mode and order were taken the
/// fewest times, so that what is left to choice is spread over them; then the first in the matrix.
pub(super) fn pairs(matrix: &[Scenario]) -> Vec<Scenario> {
    let mut covered = Covered::nothing();
    let mut taken = [0_usize; Mode::ALL.len() * Order::ALL.len()];
    let mut left: Vec<Candidate> = matrix.iter().enumerate().map(Candidate::new).collect();
    let mut chosen = Vec::new();
    loop {
        left.retain_mut(|candidate| {
            candidate.gain = covered.gain(candidate.values);
            // What adds nothing now never will.
            candidate.gain > 0
        });
        let best = left
            .iter()
            .max_by_key(|candidate| (candidate.gain, Reverse((taken[candidate.group], candidate.place))));
        let Some(best) = best else { break };
        covered.add(best.values);
        taken[best.group] += 1;
        chosen.push(best.place);
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|place| matrix[place]).collect()
}

/// A scenario as the search sees it.
struct Candidate {
    /// Its place in the matrix.
    place: usize,
    values: Values,
    /// Number of its mode and order.
    group: usize,
    /// What it would add now.
    gain: u32,
}

impl Candidate {
    fn new((place, scenario): (usize, &Scenario)) -> Self {
        let group = rank(scenario.mode) * Order::ALL.len() + rank(scenario.order);
        Self { place, values: values(scenario), group, gain: 0 }
    }
}

/// A set of values: every value of every axis is a bit of its own.
type Values = u64;

/// The values of a scenario, one of each axis.
fn values(scenario: &Scenario) -> Values {
    let ranks = [
        (rank(scenario.mode), Mode::ALL.len()),
        (rank(scenario.order), Order::ALL.len()),
        (rank(scenario.location), Location::ALL.len()),
        (rank(scenario.workload), Workload::ALL.len()),
    ];
    let sizing = scenario.sizing.map(|sizing| (rank(sizing), Sizing::ALL.len()));
    let mut first = 0;
    let mut values = 0;
    for (rank, count) in ranks.into_iter().chain(sizing) {
        values |= 1 << (first + rank);
        first += count;
    }
    values
}

fn rank<V: AxisValue>(value: V) -> usize {
    V::ALL.iter().position(|other| *other == value).unwrap_or(V::ALL.len())
}

/// For every value, those it has occurred with.
struct Covered([Values; Values::BITS as usize]);

impl Covered {
    /// No pair; a value and itself are none that could be missing.
    fn nothing() -> Self {
        Self(std::array::from_fn(|value| 1 << value))
    }

    /// How often a pair of these values is missing, each counted from both its ends.
    fn gain(&self, values: Values) -> u32 {
        each(values).map(|value| (values & !self.0[value]).count_ones()).sum()
    }

    fn add(&mut self, values: Values) {
        each(values).for_each(|value| self.0[value] |= values);
    }
}

/// The numbers of the values in a set.
fn each(mut values: Values) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (values != 0).then(|| values.trailing_zeros() as usize)?;
        values &= values - 1;
        Some(lowest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ScenarioFile;
    use rstest::{fixture, rstest};
    use std::collections::{BTreeMap, BTreeSet};

    #[fixture]
    fn file() -> ScenarioFile {
        ScenarioFile::parse("scenarios.toml", include_str!("../../scenarios.toml")).unwrap()
    }

    /// Every pair of values that occurs in one of the scenarios, by name, without the search's own numbers.
    fn pairs_in(scenarios: &[Scenario]) -> BTreeSet<[String; 2]> {
        let values = |scenario: &Scenario| {
            let name = scenario.name().replacen('_', "::", 1);
            name.split("::").map(str::to_owned).collect::<Vec<_>>()
        };
        scenarios
            .iter()
            .map(values)
            .flat_map(|values| {
                let ends = |(first, one): (usize, &String)| {
                    values[first + 1..].iter().map(|other| [one.clone(), other.clone()]).collect::<Vec<_>>()
                };
                values.iter().enumerate().flat_map(ends).collect::<Vec<_>>()
            })
            .collect()
    }

    #[rstest]
    fn every_pair_of_the_matrix_is_covered(file: ScenarioFile, #[values(false, true)] sized: bool) {
        let file = if sized { file.sized().unwrap() } else { file };
        let chosen = pairs(file.scenarios());
        assert_eq!(pairs_in(&chosen), pairs_in(file.scenarios()));
        assert!(chosen.iter().all(|scenario| file.scenarios().contains(scenario)));
    }

    /// 70 is the fewest possible, by pairs that no scenario has two of:
    /// - in_vms: 4 loads x 3 orders, since these loads are nowhere else: 12
    /// - on hosts: 6 places x 8 loads: 48
    /// - booting: load_vm in 3 orders, load_vms in 3 and compressed in both modes, migrated_vms in both modes: 10
    #[rstest]
    fn no_smaller_set_would_do(file: ScenarioFile) {
        assert_eq!(pairs(file.scenarios()).len(), 12 + 48 + 10);
    }

    #[rstest]
    fn what_is_left_to_choice_is_spread_over_modes_and_orders(file: ScenarioFile) {
        let mut groups = BTreeMap::<_, usize>::new();
        for scenario in pairs(file.scenarios()) {
            *groups.entry((scenario.mode, scenario.order)).or_default() += 1;
        }
        for ((mode, order), count) in groups {
            let expected = if order == Order::Compressed { 1..=1 } else { 11..=12 };
            assert!(expected.contains(&count), "{mode}_{order}: {count}");
        }
    }

    #[rstest]
    fn the_same_matrix_gives_the_same_set_in_its_order(file: ScenarioFile) {
        let chosen = pairs(file.scenarios());
        assert_eq!(chosen, pairs(file.scenarios()));
        let mut rest = file.scenarios().iter();
        assert!(chosen.iter().all(|scenario| rest.any(|other| other == scenario)));
    }

    #[rstest]
    fn nothing_and_one_are_covered_by_themselves(file: ScenarioFile) {
        assert_eq!(pairs(&[]), []);
        assert_eq!(pairs(&file.scenarios()[7..8]), file.scenarios()[7..8]);
    }
}
