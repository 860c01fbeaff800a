//! The direction of a move.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Side;

/// The direction of a guest's move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the source to the target: the first half of a round.
    Out,
    /// From the target to the source: the second half of a round.
    Back,
}

impl Direction {
    /// The host that a guest leaves.
    pub fn from(self) -> Side {
        match self {
            Direction::Out => Side::Source,
            Direction::Back => Side::Target,
        }
    }

    /// The host that a guest goes to.
    pub fn to(self) -> Side {
        match self {
            Direction::Out => Side::Target,
            Direction::Back => Side::Source,
        }
    }
}

impl Direction {
    /// The way back.
    pub fn opposite(self) -> Direction {
        match self {
            Direction::Out => Direction::Back,
            Direction::Back => Direction::Out,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Direction::Out => "source to target",
            Direction::Back => "target to source",
        })
    }
}
