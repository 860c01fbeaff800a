//! The axis `what`: the load under which the fleet migrates.

use std::sync::LazyLock;

use super::{Booting, HostShare, Load};
use crate::axis::{AxisValue, by_name};

/// The load of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Workload {
    /// A load for which a stress tool runs where the scenario's [`Location`](super::Location) says.
    Stress {
        load: Load,
        /// The load's share of a host. `None` where no host carries load; the profile sizes the load of guests.
        share: Option<HostShare>,
    },
    /// A load of booting guests.
    Boot(Booting),
}

/// Every value: each load in guests alone, then by each share of a host, then booting guests.
static ALL: LazyLock<Vec<Workload>> = LazyLock::new(|| {
    let stress = |share| {
        let all = Load::ALL.iter().map(move |load| Workload::Stress { load: *load, share });
        all.filter(|workload| workload.has_name())
    };
    let shares = [None, Some(HostShare::Half), Some(HostShare::Short)];
    let boots = Booting::ALL.iter().copied().map(Workload::Boot);
    shares.into_iter().flat_map(stress).chain(boots).collect()
});

impl Workload {
    /// The first of [`AxisValue::all`].
    pub(super) const FIRST: Workload = Workload::Stress { load: Load::ALL[0], share: None };

    /// The value's name; none for a share of a host that the load's row lacks.
    fn in_table(self) -> Option<&'static str> {
        match self {
            Self::Stress { load, share: None } => Some(load.row().name),
            Self::Stress { load, share: Some(share) } => {
                let names = load.row().on_hosts.iter();
                names.copied().find(|(other, _)| *other == share).map(|(_, name)| name)
            }
            Self::Boot(booting) => Some(booting.row().name),
        }
    }

    fn has_name(self) -> bool {
        self.in_table().is_some()
    }
}

impl AxisValue for Workload {
    const AXIS: &'static str = "what";

    fn all() -> &'static [Self] {
        &ALL
    }

    fn name(self) -> &'static str {
        self.in_table().unwrap_or("a share that no name has")
    }
}

by_name!(Workload);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_lists_each_workload_once_and_names_round_trip() {
        let names: BTreeSet<&str> = Workload::all().iter().map(|w| w.name()).collect();
        let on_hosts: usize = Load::ALL.iter().map(|load| load.row().on_hosts.len()).sum();
        assert_eq!(Workload::all().len(), Load::ALL.len() + on_hosts + Booting::ALL.len());
        assert_eq!(names.len(), Workload::all().len());
        for workload in Workload::all() {
            assert_eq!(workload.name().parse(), Ok(*workload));
        }
        assert_eq!(Workload::FIRST, Workload::all()[0]);
    }
}
