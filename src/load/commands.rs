//! The stress tools of a scenario, before anything runs: which machines carry one, and its command there.

use super::ToolCommand;
use crate::scenario::{HostShare, Profile, Room, Scenario, Side, Workload};

/// The commands of a scenario's stress tools. A scenario without such tools has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCommands {
    /// The command in every guest; none if guests carry no load.
    pub in_guest: Option<ToolCommand>,
    /// The command on each host that carries a load.
    pub on_hosts: Vec<(Side, ToolCommand)>,
}

impl ToolCommands {
    /// The commands of the scenario, sized by the profile in guests and by each host's room on hosts.
    pub fn of(scenario: &Scenario, profile: &Profile, room: impl Fn(Side) -> Room) -> ToolCommands {
        let Workload::Stress { load, share } = scenario.workload else { return ToolCommands::default() };
        let kind = load.row().kind;
        let in_guest = || ToolCommand::new(load, &(kind.in_guest)(profile), None);
        let on_host = |side: &Side| {
            let room = room(*side);
            let size = (kind.on_host)(share.unwrap_or(HostShare::Half), &room);
            (*side, ToolCommand::new(load, &size, Some((kind.basis)(&room))))
        };
        ToolCommands {
            in_guest: scenario.location.in_guests().then(in_guest),
            on_hosts: scenario.location.hosts().iter().map(on_host).collect(),
        }
    }
}
