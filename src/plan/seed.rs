//! What an order draws its choices from: the same seed gives the same plan.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Environment variable that gives the seed of a run.
pub const SEED_VARIABLE: &str = "MULTIVM_SEED";

/// The seed of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// A seed for a run that was given none: from the clock and the process, in as few digits as a person copies.
    pub fn chosen() -> Seed {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let from = now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32);
        Seed(Draw::new(from).next() % 1_000_000_000)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Seed, String> {
        let allowed =
            || format!("allowed in --seed and {SEED_VARIABLE}: a whole number from 0 to {}", u64::MAX);
        text.parse().map(Seed).map_err(|_| allowed())
    }
}

/// A sequence of numbers that looks random and follows from its seed alone, on every machine and in every version: SplitMix64
/// (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(super) struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sequence of the published algorithm: a plan that was written down once can be replayed for ever.
    #[test]
    fn the_sequence_is_the_published_one() {
        let mut draw = Draw::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| draw.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn what_is_no_seed_says_what_is() {
        assert_eq!("42".parse(), Ok(Seed(42)));
        for text in ["", "-1", "dice", "99999999999999999999999"] {
            assert!(text.parse::<Seed>().unwrap_err().contains(SEED_VARIABLE), "{text}");
        }
    }
}
