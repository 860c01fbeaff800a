//! The seed of random choices: equal seeds give equal plans.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sys::random::Random;

/// The environment variable with the seed of a run.
pub const SEED_VARIABLE: &str = "MULTIVM_SEED";

/// The seed of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// Chooses a seed from the clock and the process, with few digits, so that a person can copy it.
    pub fn chosen() -> Seed {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let from = now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32);
        Seed(Random(from).bits() % 1_000_000_000)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_seed_says_what_is() {
        assert_eq!("42".parse(), Ok(Seed(42)));
        for text in ["", "-1", "dice", "99999999999999999999999"] {
            assert!(text.parse::<Seed>().unwrap_err().contains(SEED_VARIABLE), "{text}");
        }
    }
}
