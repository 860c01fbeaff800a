//! Pairwise coverage: a small subset of the matrix in which every pair of values of two axes still occurs.
//!
//! Most faults need one value or two values together. Far fewer scenarios hold all pairs than hold all combinations.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::Scenario;
use super::table::numbered;

/// Scenarios in which every pair of values occurs that occurs in `matrix`, in its order.
///
/// The search is greedy: it takes the scenario that adds the most pairs. Among equals it takes the one whose mode and order
/// it took the fewest times, which spreads the choice over them; then the first in the matrix.
pub(super) fn pairs(matrix: &[Scenario]) -> Vec<Scenario> {
    let mut covered = Covered::nothing(matrix.first().map_or(0, |scenario| numbered(scenario).1));
    let mut taken: HashMap<[usize; 2], usize> = HashMap::new();
    let mut left: Vec<Candidate> = matrix.iter().enumerate().map(Candidate::new).collect();
    let mut chosen = Vec::new();
    loop {
        left.retain_mut(|candidate| {
            candidate.gain = covered.gain(&candidate.values);
            // A scenario that adds nothing now never will.
            candidate.gain > 0
        });
        let times = |candidate: &Candidate| taken.get(&candidate.group()).copied().unwrap_or(0);
        let best = left
            .iter()
            .max_by_key(|candidate| (candidate.gain, Reverse((times(candidate), candidate.place))));
        let Some(best) = best else { break };
        covered.add(&best.values);
        *taken.entry(best.group()).or_default() += 1;
        chosen.push(best.place);
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|place| matrix[place]).collect()
}

/// The values of a scenario as numbers; no two values share one.
type Values = Vec<usize>;

/// A scenario as the search sees it.
struct Candidate {
    /// The scenario's place in the matrix.
    place: usize,
    values: Values,
    /// The number of pairs that the scenario would add now.
    gain: usize,
}

impl Candidate {
    fn new((place, scenario): (usize, &Scenario)) -> Self {
        Self { place, values: numbered(scenario).0, gain: 0 }
    }

    /// The scenario's mode and order.
    fn group(&self) -> [usize; 2] {
        [self.values[0], self.values[1]]
    }
}

/// The pairs of values that have occurred, as a flag for every pair.
struct Covered {
    /// The number of values.
    values: usize,
    pairs: Vec<bool>,
}

impl Covered {
    /// A cover without any pair.
    fn nothing(values: usize) -> Self {
        Self { values, pairs: vec![false; values * values] }
    }

    /// The number of missing pairs of these values.
    fn gain(&self, values: &[usize]) -> usize {
        self.pairs_of(values).filter(|pair| !self.pairs[*pair]).count()
    }

    fn add(&mut self, values: &[usize]) {
        for pair in self.pairs_of(values).collect::<Vec<_>>() {
            self.pairs[pair] = true;
        }
    }

    /// The places of the pairs of these values; each pair has one place, since the axes are in one order.
    fn pairs_of<'a>(&self, values: &'a [usize]) -> impl Iterator<Item = usize> + use<'a> {
        let values_in_all = self.values;
        (0..values.len()).flat_map(move |first| {
            (first + 1..values.len()).map(move |second| values[first] * values_in_all + values[second])
        })
    }
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
            *groups.entry(scenario.group()).or_default() += 1;
        }
        for (group, count) in groups {
            let expected = if group.ends_with("_compressed") { 1..=1 } else { 11..=12 };
            assert!(expected.contains(&count), "{group}: {count}");
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
