//! One part of several: a selection that is split over machines, or over jobs of a CI.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::{Location, Mode, Order, Scenario, Sizing, Workload};

/// Environment variable that names the part to run.
pub const SHARD_VARIABLE: &str = "MULTIVM_SHARD";

/// More machines than scenarios is a typing mistake.
const MOST_PARTS: usize = 1312;

/// Part `part` of `parts`, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    part: usize,
    parts: usize,
}

/// What two scenarios can have in common that makes them alike in what they cost and in what they try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Trait {
    Group(Mode, Order),
    Location(Location),
    Workload(Workload),
    Sizing(Option<Sizing>),
}

impl Shard {
    /// Everything.
    pub const WHOLE: Shard = Shard { part: 1, parts: 1 };

    /// Whether it is all there is.
    pub fn is_whole(self) -> bool {
        self == Shard::WHOLE
    }

    /// The scenarios of this part, in the order in which they were given.
    ///
    /// All parts together are the scenarios that were given, and no scenario is in two. The sizes of the parts differ by
    /// one at most. Which part has which depends on nothing but the scenarios and the number of parts.
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

/// Which part, from 0, gets which scenario.
///
/// Dealing one after the other would give a part always the same load: `what` changes fastest and has 4 or 8 values. So each
/// goes to the part that has the fewest like it, among those whose turn it is in this round of dealing.
fn deal(scenarios: &[Scenario], parts: usize) -> Vec<usize> {
    let mut has: Vec<HashMap<Trait, usize>> = vec![HashMap::new(); parts];
    let mut waiting: Vec<usize> = Vec::new();
    scenarios
        .iter()
        .map(|scenario| {
            if waiting.is_empty() {
                waiting.extend(0..parts);
            }
            let traits = [
                Trait::Group(scenario.mode, scenario.order),
                Trait::Location(scenario.location),
                Trait::Workload(scenario.workload),
                Trait::Sizing(scenario.sizing),
            ];
            let alike = |part: usize| {
                traits.iter().map(|one| has[part].get(one).copied().unwrap_or(0)).sum::<usize>()
            };
            // The first of equals: nothing here depends on chance.
            let place = (0..waiting.len()).min_by_key(|place| alike(waiting[*place])).unwrap_or(0);
            let part = waiting.remove(place);
            for one in traits {
                *has[part].entry(one).or_default() += 1;
            }
            part
        })
        .collect()
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.parts)
    }
}

/// Reads `2/4`. Nothing is everything: a variable that is set to nothing counts as not set.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        if text.is_empty() {
            return Ok(Shard::WHOLE);
        }
        let number = |text: &str| {
            // `+1` would be read, too.
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
