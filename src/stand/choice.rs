//! The choice among kinds of hosts on this machine.

use std::path::{Path, PathBuf};

use crate::axis::{AxisValue, UnknownName, axis};
use crate::ledger::Thing;

/// The environment's variable that chooses the hosts of a run.
pub const STAND_VARIABLE: &str = "MULTIVM_STAND";

/// A kind of hosts: its row in the table.
pub struct StandRow {
    pub name: &'static str,
    /// The hosts, in a sentence.
    pub hosts: &'static str,
    /// The beginning of a sentence about hosts that are up.
    pub are_up: &'static str,
    /// Hosts that are up, in a sentence.
    pub that_are_up: &'static str,
}

axis! {
    /// A kind of hosts that multivm makes on this machine.
    StandKind, "stand", StandRow {
        Lab => StandRow { name: "lab", hosts: "the lab", are_up: "the lab is up", that_are_up: "the lab that is up" },
        Machines => StandRow { name: "machines", hosts: "the machine hosts", are_up: "the machine hosts are up", that_are_up: "the machine hosts that are up" },
    }
}

impl StandKind {
    /// Reads [`STAND_VARIABLE`] through `get`. Without a value it is the lab.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<StandKind, UnknownName> {
        get(STAND_VARIABLE)
            .filter(|value| !value.is_empty())
            .map_or(Ok(StandKind::Lab), |value| value.parse())
    }

    /// The directory of such hosts in a state directory.
    pub fn directory(self, state: &Path) -> PathBuf {
        state.join(self.name())
    }

    /// The kind of the hosts that a ledger's things belong to.
    pub fn of(things: &[Thing], state: &Path) -> StandKind {
        let machines = Thing::Directory { path: StandKind::Machines.directory(state) };
        if things.contains(&machines) { StandKind::Machines } else { StandKind::Lab }
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
