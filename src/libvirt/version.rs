//! Versions of libvirt and of the hypervisor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version as libvirt reports it: ordered, and displayed as `9.0.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub micro: u32,
}

impl Version {
    /// Makes a version to compare with: `daemon >= Version::new(11, 3, 0)`.
    pub const fn new(major: u32, minor: u32, micro: u32) -> Version {
        Version { major, minor, micro }
    }

    /// Decodes libvirt's number of a version: `major * 1_000_000 + minor * 1_000 + micro` (`virGetVersion`).
    pub(super) const fn decode(encoded: u32) -> Version {
        Version::new(encoded / 1_000_000, encoded / 1_000 % 1_000, encoded % 1_000)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// The error for a text that is not three numbers with dots between them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version like 9.0.0")]
pub struct NotAVersion(String);

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Version, NotAVersion> {
        let mut numbers = text.split('.').map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(micro)), None) => {
                Ok(Version::new(major, minor, micro))
            }
            _ => Err(NotAVersion(text.to_owned())),
        }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<Version, NotAVersion> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_orders_and_reads_back() {
        let old = Version::decode(9_000_000);
        let new = Version::decode(11_003_001);
        assert!(old < new);
        assert_eq!(new.to_string(), "11.3.1");
        assert_eq!("11.3.1".parse(), Ok(new));
        assert_eq!(serde_json::to_string(&new).unwrap(), "\"11.3.1\"");
        assert!("11.3".parse::<Version>().is_err());
        assert!("11.3.1.0".parse::<Version>().is_err());
    }
}
