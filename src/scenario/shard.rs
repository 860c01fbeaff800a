//! One part of several: a selection split over machines, or over jobs of a CI.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::{Scenario, table};

/// Environment variable that names the part to run.
pub const SHARD_VARIABLE: &str = "MULTIVM_SHARD";

/// The largest number of parts; more must be a typing mistake.
const MOST_PARTS: usize = 1000;

/// Part `part` of `parts`, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    part: usize,
    parts: usize,
}

/// The number of counted traits of a scenario. Scenarios that share traits are alike in what they cost and in what they
/// try.
const TRAITS: usize = 6;

impl Shard {
    /// The only part of a selection that is not split.
    pub const WHOLE: Shard = Shard { part: 1, parts: 1 };

    /// Whether this part is the whole selection.
    pub fn is_whole(self) -> bool {
        self == Shard::WHOLE
    }

    /// The scenarios of this part, in the given order.
    ///
    /// All parts together are the given scenarios, and no scenario is in two. The sizes of the parts differ by one at most.
    /// The split depends on nothing but the scenarios and the number of parts.
    pub fn of(self, scenarios: Vec<Scenario>) -> Vec<Scenario> {
        if self.is_whole() {
            return scenarios;
        }
        let parts = deal(&scenarios, self.parts);
        scenarios
            .into_iter()
            .zip(parts)
            .filter(|(_, part)| *part + 1 == self.part)
            .map(|(scenario, _)| scenario)
            .collect()
    }
}

/// The number of the part, from 0, of each scenario.
///
/// If this dealt the scenarios only one after the other, a part could have the same load again and again: `what` changes
/// fastest, and has 4 or 8 values. So this then swaps scenarios of two parts as long as a swap evens the parts out, which
/// means that the sum of the squares of all counts falls. The swaps end because that sum cannot fall for ever.
fn deal(scenarios: &[Scenario], parts: usize) -> Vec<usize> {
    let (traits, kinds) = traits(scenarios);
    let mut part_of: Vec<usize> = (0..scenarios.len()).map(|index| index % parts).collect();
    let mut has = vec![vec![0_i64; kinds]; parts];
    for (traits, part) in traits.iter().zip(&part_of) {
        for one in traits {
            has[*part][*one] += 1;
        }
    }
    loop {
        let mut swapped = false;
        for one in 0..scenarios.len() {
            for other in one + 1..scenarios.len() {
                let (from, to) = (part_of[one], part_of[other]);
                if from == to {
                    continue;
                }
                let differing =
                    || traits[one].iter().zip(&traits[other]).filter(|(mine, theirs)| mine != theirs);
                // A trait's part in the swap: half the change in the sum of squares when one scenario with this trait moves
                // from a part that has `here` of them to a part that has `there`.
                let change = |here: i64, there: i64| there - here + 1;
                let gain: i64 = differing()
                    .map(|(mine, theirs)| {
                        change(has[from][*mine], has[to][*mine])
                            + change(has[to][*theirs], has[from][*theirs])
                    })
                    .sum();
                if gain < 0 {
                    for (mine, theirs) in differing() {
                        has[from][*mine] -= 1;
                        has[to][*mine] += 1;
                        has[to][*theirs] -= 1;
                        has[from][*theirs] += 1;
                    }
                    part_of.swap(one, other);
                    swapped = true;
                }
            }
        }
        if !swapped {
            return part_of;
        }
    }
}

/// The traits of every scenario as numbers from 0, and the count of numbers. The traits are its values, and its mode with
/// its order.
fn traits(scenarios: &[Scenario]) -> (Vec<[usize; TRAITS]>, usize) {
    let mut numbers: HashMap<(usize, usize, usize), usize> = HashMap::new();
    let traits = scenarios
        .iter()
        .map(|scenario| {
            let [mode, order, location, workload, sizing] = table::traits(scenario).map(|(rank, _)| rank);
            [(mode, 0), (order, 0), (mode, order), (location, 0), (workload, 0), (sizing, 0)]
        })
        .map(|traits| {
            let mut kind = 0;
            traits.map(|(one, other)| {
                kind += 1;
                let next = numbers.len();
                *numbers.entry((kind, one, other)).or_insert(next)
            })
        })
        .collect();
    (traits, numbers.len())
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.parts)
    }
}

/// Parses `2/4`. An empty text is the whole: an empty variable counts as not set.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        if text.is_empty() {
            return Ok(Shard::WHOLE);
        }
        let number = |text: &str| {
            // The number parser alone would accept `+1`, too.
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<usize>().ok()).flatten()
        };
        text.split_once('/')
            .and_then(|(part, parts)| Some(Shard { part: number(part)?, parts: number(parts)? }))
            .filter(|shard| (1..=MOST_PARTS).contains(&shard.parts) && (1..=shard.parts).contains(&shard.part))
            .ok_or_else(|| {
                format!(
                    "allowed in --shard and {SHARD_VARIABLE}: PART/PARTS, as 1/4 to 4/4 for four machines; at most {MOST_PARTS} parts"
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1/4", 1, 4)]
    #[case("4/4", 4, 4)]
    #[case("", 1, 1)]
    #[case("01/2", 1, 2)]
    fn what_is_allowed(#[case] text: &str, #[case] part: usize, #[case] parts: usize) {
        assert_eq!(text.parse(), Ok(Shard { part, parts }));
    }

    #[rstest]
    #[case("0/4")]
    #[case("5/4")]
    #[case("1/0")]
    #[case("1")]
    #[case("1/4/4")]
    #[case("+1/4")]
    #[case("1/-4")]
    #[case("slice:1/4")]
    #[case("1 / 4")]
    #[case("1/99999999999999999999")]
    fn what_is_not(#[case] text: &str) {
        let said = text.parse::<Shard>().unwrap_err();
        assert!(said.contains("1/4 to 4/4") && said.contains(SHARD_VARIABLE), "{said}");
    }
}
