//! The choice among kinds of hosts on this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::axis::{AxisValue, UnknownName, axis};
use crate::ledger::Thing;

/// The environment's variable that chooses the hosts of a run.
pub const STAND_VARIABLE: &str = "MULTIVM_STAND";

/// The longest time for the lab's hosts to be raised, or to be connected to.
const LAB_LIMIT: Duration = Duration::from_secs(120);

/// The longest time for hosts by inventory to be looked at and prepared, after they were raised if they are raised. Packages
/// may be installed.
pub const PAIR_LIMIT: Duration = Duration::from_secs(1500);

/// A kind of hosts: its row in the table.
pub struct StandRow {
    pub name: &'static str,
    /// The hosts, in a sentence.
    pub hosts: &'static str,
    /// The beginning of a sentence about hosts that are up.
    pub are_up: &'static str,
    /// The beginning of a sentence about something that happened to the hosts.
    pub they_are: &'static str,
    /// Hosts that are up, in a sentence.
    pub that_are_up: &'static str,
    /// The profile of a run that names none.
    pub profile: &'static str,
    /// The longest time in which the hosts are ready for guests.
    pub raise_limit: Duration,
    /// Whether guests take memory and CPU time of this machine directly, so that both are known before the hosts are up.
    pub guests_here: bool,
}

axis! {
    /// A kind of hosts that multivm makes on this machine.
    StandKind, "stand", StandRow {
        Lab => StandRow {
            name: "lab",
            hosts: "the lab",
            are_up: "the lab is up",
            they_are: "The lab is",
            that_are_up: "the lab that is up",
            profile: "lab",
            raise_limit: LAB_LIMIT,
            guests_here: true,
        },
        Machines => StandRow {
            name: "machines",
            hosts: "the machine hosts",
            are_up: "the machine hosts are up",
            they_are: "The machine hosts are",
            that_are_up: "the machine hosts that are up",
            profile: "lab",
            raise_limit: PAIR_LIMIT,
            guests_here: false,
        },
    }
}

/// The hosts of a command that names none.
impl Default for StandKind {
    fn default() -> StandKind {
        StandKind::Lab
    }
}

impl StandKind {
    /// Reads [`STAND_VARIABLE`] through `get`.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<StandKind, UnknownName> {
        get(STAND_VARIABLE)
            .filter(|value| !value.is_empty())
            .map_or_else(|| Ok(StandKind::default()), |value| value.parse())
    }

    /// The directory of such hosts in a state directory.
    pub fn directory(self, state: &Path) -> PathBuf {
        state.join(self.name())
    }

    /// The kind of the hosts that a ledger's things belong to, by their directory; the lab, if none has one.
    pub fn of(things: &[Thing], state: &Path) -> StandKind {
        let is_there = |kind: &&StandKind| things.contains(&Thing::Directory { path: kind.directory(state) });
        StandKind::ALL.iter().find(is_there).copied().unwrap_or(StandKind::Lab)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::not_set(None, Some(StandKind::Lab))]
    #[case::empty(Some(""), Some(StandKind::Lab))]
    #[case::lab(Some("lab"), Some(StandKind::Lab))]
    #[case::machines(Some("machines"), Some(StandKind::Machines))]
    #[case::neither(Some("kvm"), None)]
    fn a_variable_chooses_it(#[case] value: Option<&str>, #[case] expected: Option<StandKind>) {
        let read = StandKind::read(|name| value.filter(|_| name == STAND_VARIABLE).map(str::to_owned));
        assert_eq!(read.as_ref().ok(), expected.as_ref());
        if let Err(error) = read {
            assert_eq!(error.to_string(), "unknown stand `kvm`, expected one of `lab`, `machines`");
        }
    }

    #[test]
    fn a_ledger_tells_what_its_things_belong_to() {
        let state = Path::new("/state");
        let of = |name: &str| StandKind::of(&[Thing::Directory { path: state.join(name) }], state);
        assert_eq!(
            (of("lab"), of("machines"), of("machines/host1")),
            (StandKind::Lab, StandKind::Machines, StandKind::Lab)
        );
        assert_eq!(StandKind::of(&[], state), StandKind::Lab);
    }
}
