//! The axes `mode`, `order` and `where`: closed sets in which every value has exactly one name.
//!
//! The fourth axis, `what`, has its own file: [`super::workload`].

use std::fmt;

/// A value of one axis of the matrix.
///
/// The names are what `scenarios.toml`, scenario names and messages use; they hold only `[a-z0-9_]`.
pub trait AxisValue: Copy + Eq + fmt::Debug + 'static {
    /// The axis' key in `scenarios.toml`.
    const AXIS: &'static str;

    /// Every value the program knows how to run, in the order messages list them.
    const ALL: &'static [Self];

    /// The value's name.
    fn name(self) -> &'static str;

    /// The value of that name.
    fn named(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.iter().copied().find(|value| value.name() == name).ok_or_else(|| UnknownName {
            axis: Self::AXIS,
            given: name.to_owned(),
            allowed: quoted_names(Self::ALL),
        })
    }
}

/// A name that is no value of its axis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {axis} `{given}`, expected one of {allowed}")]
pub struct UnknownName {
    /// The axis' key in `scenarios.toml`, or `scenario` for a name that does not have the four parts.
    pub axis: &'static str,
    /// What was given.
    pub given: String,
    /// The allowed names, each in backticks.
    pub allowed: String,
}

/// The names of `values` as messages list them.
pub(super) fn quoted_names<V: AxisValue>(values: &[V]) -> String {
    let names: Vec<String> = values.iter().map(|v| format!("`{}`", v.name())).collect();
    names.join(", ")
}

/// `Display` and `FromStr` by name, for every axis alike.
macro_rules! by_name {
    ($($axis:ty),+) => {$(
        impl std::fmt::Display for $axis {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $axis {
            type Err = $crate::scenario::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::named(name)
            }
        }
    )+};
}
pub(super) use by_name;

/// How the memory of a running guest gets across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// The guest runs on the source until the rest is small enough to be sent in one short pause. Live, persistent,
    /// auto-converge.
    Precopy,
    /// After the first pre-copy pass the guest runs on the target and fetches what it misses. Live, persistent.
    Postcopy,
}

impl AxisValue for Mode {
    const AXIS: &'static str = "mode";
    const ALL: &'static [Self] = &[Self::Precopy, Self::Postcopy];

    fn name(self) -> &'static str {
        match self {
            Self::Precopy => "precopy",
            Self::Postcopy => "postcopy",
        }
    }
}

/// In which order the guests of the fleet move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// One by one.
    Orderly,
    /// All at once.
    Simultaneous,
    /// One guest goes while another comes: both directions under way at the same time. Needs at least two guests.
    Cross,
    /// One by one, with XBZRLE compression of re-sent pages.
    Compressed,
}

impl AxisValue for Order {
    const AXIS: &'static str = "order";
    const ALL: &'static [Self] = &[Self::Orderly, Self::Simultaneous, Self::Cross, Self::Compressed];

    fn name(self) -> &'static str {
        match self {
            Self::Orderly => "orderly",
            Self::Simultaneous => "simultaneous",
            Self::Cross => "cross",
            Self::Compressed => "compressed",
        }
    }
}

/// One of the two hosts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Where the fleet boots, and where it is after every full round.
    Source,
    /// Where the fleet goes.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Where the load is. The key of this axis is `where`, which Rust keeps for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// In every guest of the fleet.
    InVms,
    /// On the source host.
    OnSource,
    /// On the target host.
    OnTarget,
    /// On both hosts.
    OnBoth,
    /// On the source host and in every guest.
    OnSourceAndVms,
    /// On the target host and in every guest.
    OnTargetAndVms,
    /// On both hosts and in every guest.
    OnBothAndVms,
    /// No stress tool: guests that boot are the load.
    Booting,
}

impl Location {
    /// Whether a stress tool runs in the guests.
    pub fn in_guests(self) -> bool {
        match self {
            Self::InVms | Self::OnSourceAndVms | Self::OnTargetAndVms | Self::OnBothAndVms => true,
            Self::OnSource | Self::OnTarget | Self::OnBoth | Self::Booting => false,
        }
    }

    /// The hosts on which a stress tool runs.
    pub fn hosts(self) -> &'static [Side] {
        match self {
            Self::InVms | Self::Booting => &[],
            Self::OnSource | Self::OnSourceAndVms => &[Side::Source],
            Self::OnTarget | Self::OnTargetAndVms => &[Side::Target],
            Self::OnBoth | Self::OnBothAndVms => &[Side::Source, Side::Target],
        }
    }
}

impl AxisValue for Location {
    const AXIS: &'static str = "where";
    const ALL: &'static [Self] = &[
        Self::InVms,
        Self::OnSource,
        Self::OnTarget,
        Self::OnBoth,
        Self::OnSourceAndVms,
        Self::OnTargetAndVms,
        Self::OnBothAndVms,
        Self::Booting,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::InVms => "in_vms",
            Self::OnSource => "on_source",
            Self::OnTarget => "on_target",
            Self::OnBoth => "on_both",
            Self::OnSourceAndVms => "on_source_and_vms",
            Self::OnTargetAndVms => "on_target_and_vms",
            Self::OnBothAndVms => "on_both_and_vms",
            Self::Booting => "booting",
        }
    }
}

by_name!(Mode, Order, Location);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_name_says_where_the_load_is() {
        for location in Location::ALL {
            let name = location.name();
            assert_eq!(location.in_guests(), name.ends_with("vms"), "{name}");
            let both = name.contains("both");
            let source = both || name.contains("source");
            let target = both || name.contains("target");
            assert_eq!(location.hosts().contains(&Side::Source), source, "{name}");
            assert_eq!(location.hosts().contains(&Side::Target), target, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_allowed_ones() {
        let error = "hybrid".parse::<Mode>().unwrap_err();
        assert_eq!(error.to_string(), "unknown mode `hybrid`, expected one of `precopy`, `postcopy`");
    }
}
