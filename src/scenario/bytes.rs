//! Sizes such as `256MiB`, in files, in the environment and in messages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// The units, largest first, with the suffix that `stress` and `stress-ng` use for the same power of 1024.
const UNITS: [(&str, &str, u64); 3] = [("GiB", "G", 1 << 30), ("MiB", "M", 1 << 20), ("KiB", "K", 1 << 10)];

/// A number of bytes.
///
/// Its text is a whole number and one of the units `KiB`, `MiB`, `GiB` (powers of 1024). A unit is mandatory: "256" alone
/// has meant bytes, KiB and MiB in too many tools. The parser refuses `MB` because some read it as 10^6.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// The form of a size, for messages.
    pub const EXPECTED: &'static str = "a size such as \"256MiB\" (units KiB, MiB, GiB)";

    /// The size in the form of `stress` and `stress-ng`: `32M`, or plain bytes if no unit divides it.
    pub fn for_stress(self) -> String {
        self.in_largest_unit(|(_, suffix, _)| suffix)
    }

    /// The number in the largest unit that divides it, followed by that unit's name.
    fn in_largest_unit(self, name: impl Fn((&'static str, &'static str, u64)) -> &'static str) -> String {
        UNITS
            .into_iter()
            .find(|(_, _, factor)| self.0 > 0 && self.0.is_multiple_of(*factor))
            .map_or_else(|| self.0.to_string(), |unit| format!("{}{}", self.0 / unit.2, name(unit)))
    }
}

/// The error for a text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a size, expected {}", Bytes::EXPECTED)]
pub struct BadSize {
    given: String,
}

impl FromStr for Bytes {
    type Err = BadSize;

    fn from_str(text: &str) -> Result<Self, BadSize> {
        UNITS
            .iter()
            .find_map(|(unit, _, factor)| {
                let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
                number.checked_mul(*factor).map(Bytes)
            })
            .ok_or_else(|| BadSize { given: text.to_owned() })
    }
}

/// Formats the shortest exact form; a size that is no whole KiB prints as `1000 bytes`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1024) && self.0 > 0 {
            f.pad(&self.in_largest_unit(|(unit, _, _)| unit))
        } else {
            f.pad(&format!("{} bytes", self.0))
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("4KiB", 4 << 10, "4KiB", "4K")]
    #[case("256MiB", 256 << 20, "256MiB", "256M")]
    #[case("2048 MiB", 2 << 30, "2GiB", "2G")]
    fn sizes_are_read_and_shown(
        #[case] text: &str,
        #[case] bytes: u64,
        #[case] shown: &str,
        #[case] stress: &str,
    ) {
        let size: Bytes = text.parse().unwrap();
        assert_eq!(size, Bytes(bytes));
        assert_eq!(size.to_string(), shown);
        assert_eq!(size.for_stress(), stress);
    }

    #[rstest]
    #[case("256")]
    #[case("256MB")]
    #[case("-1MiB")]
    #[case("1.5GiB")]
    #[case("MiB")]
    #[case("99999999999GiB")]
    fn what_is_not_a_size_says_what_one_looks_like(#[case] text: &str) {
        let message = text.parse::<Bytes>().unwrap_err().to_string();
        assert!(message.contains(text) && message.contains("256MiB"));
    }
}
