//! The axis `what`: the load under which the fleet migrates.

use crate::axis::{AxisValue, by_name};

/// The program that makes the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tool {
    /// `stress`.
    Stress,
    /// `stress-ng`.
    StressNg,
}

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 2] = [Self::Stress, Self::StressNg];

    /// The name of the executable.
    pub fn program(self) -> &'static str {
        match self {
            Self::Stress => "stress",
            Self::StressNg => "stress-ng",
        }
    }
}

/// What the load consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Processor time.
    Cpu,
    /// Memory that is written to again and again, so that its pages stay dirty.
    Memory,
}

/// How much of a host its load takes, measured against what the guests leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostShare {
    /// Half of it: half the memory that is left, or workers on half the CPUs.
    Half,
    /// More than there is: 5/4 of the memory that is left, so that the host swaps; or 3/2 as many workers as CPUs.
    Short,
}

/// Which guests boot while the fleet migrates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Booting {
    /// The first of the load guests, which do not migrate.
    LoadVm,
    /// All the load guests, which do not migrate.
    LoadVms,
    /// The fleet itself: started anew before every move, it migrates while it boots.
    MigratedVms,
}

/// The load of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Workload {
    /// A stress tool runs, where the scenario's [`Location`](super::Location) says.
    Stress {
        /// With which program.
        tool: Tool,
        /// On which resource.
        kind: Kind,
        /// How much of a host it takes. `None` where no host carries load; guests' load is sized by the profile.
        share: Option<HostShare>,
    },
    /// Guests boot.
    Boot(Booting),
}

/// Shorthand for the list below.
const fn stress(tool: Tool, kind: Kind, share: Option<HostShare>) -> Workload {
    Workload::Stress { tool, kind, share }
}

impl Workload {
    /// The first of [`AxisValue::all`].
    pub(super) const FIRST: Workload = Self::ALL[0];

    const ALL: &'static [Self] = &[
        stress(Tool::Stress, Kind::Cpu, None),
        stress(Tool::Stress, Kind::Memory, None),
        stress(Tool::StressNg, Kind::Cpu, None),
        stress(Tool::StressNg, Kind::Memory, None),
        stress(Tool::Stress, Kind::Cpu, Some(HostShare::Half)),
        stress(Tool::Stress, Kind::Memory, Some(HostShare::Half)),
        stress(Tool::StressNg, Kind::Cpu, Some(HostShare::Half)),
        stress(Tool::StressNg, Kind::Memory, Some(HostShare::Half)),
        stress(Tool::Stress, Kind::Cpu, Some(HostShare::Short)),
        stress(Tool::Stress, Kind::Memory, Some(HostShare::Short)),
        stress(Tool::StressNg, Kind::Cpu, Some(HostShare::Short)),
        stress(Tool::StressNg, Kind::Memory, Some(HostShare::Short)),
        Self::Boot(Booting::LoadVm),
        Self::Boot(Booting::LoadVms),
        Self::Boot(Booting::MigratedVms),
    ];
}

impl AxisValue for Workload {
    const AXIS: &'static str = "what";

    fn all() -> &'static [Self] {
        Self::ALL
    }

    fn name(self) -> &'static str {
        use HostShare::{Half, Short};
        use Kind::{Cpu, Memory};

        match self {
            Self::Stress { tool, kind, share } => match (tool, kind, share) {
                (Tool::Stress, Cpu, None) => "stress_cpu",
                (Tool::Stress, Cpu, Some(Half)) => "stress_cpu_half",
                (Tool::Stress, Cpu, Some(Short)) => "stress_cpu_short",
                (Tool::Stress, Memory, None) => "stress_memory",
                (Tool::Stress, Memory, Some(Half)) => "stress_memory_half",
                (Tool::Stress, Memory, Some(Short)) => "stress_memory_short",
                (Tool::StressNg, Cpu, None) => "stress_ng_cpu",
                (Tool::StressNg, Cpu, Some(Half)) => "stress_ng_cpu_half",
                (Tool::StressNg, Cpu, Some(Short)) => "stress_ng_cpu_short",
                (Tool::StressNg, Memory, None) => "stress_ng_memory",
                (Tool::StressNg, Memory, Some(Half)) => "stress_ng_memory_half",
                (Tool::StressNg, Memory, Some(Short)) => "stress_ng_memory_short",
            },
            Self::Boot(Booting::LoadVm) => "load_vm",
            Self::Boot(Booting::LoadVms) => "load_vms",
            Self::Boot(Booting::MigratedVms) => "migrated_vms",
        }
    }
}

by_name!(Workload);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_lists_each_workload_once_and_names_round_trip() {
        let names: BTreeSet<&str> = Workload::ALL.iter().map(|w| w.name()).collect();
        // 2 tools x 2 kinds x (guests only, half, short) + 3 ways to boot.
        assert_eq!(Workload::ALL.len(), 2 * 2 * 3 + 3);
        assert_eq!(names.len(), Workload::ALL.len());
        for workload in Workload::ALL {
            assert_eq!(workload.name().parse(), Ok(*workload));
        }
    }
}
