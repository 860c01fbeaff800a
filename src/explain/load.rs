//! Explains the load of a scenario.

use crate::scenario::{HostShare, Load, Profile, Scenario, Workload};

/// A line for every place with load.
pub(super) fn lines(scenario: &Scenario, profile: &Profile) -> Vec<String> {
    let (load, share) = match scenario.workload {
        Workload::Stress { load, share } => (load, share.unwrap_or(HostShare::Half)),
        Workload::Boot(booting) => return vec![format!("Load: {}", (booting.row().text)(profile))],
    };
    let mut lines = Vec::new();
    if scenario.location.in_guests() {
        lines.push(in_guests(load, profile));
    }
    for host in scenario.location.hosts() {
        let row = load.row();
        let amount = (row.kind.host_text)(share);
        lines.push(format!("Load on the {host} host: `{}`, {amount}.", row.tool.program));
    }
    if !scenario.location.hosts().is_empty() {
        lines.push(
            "Load on a host runs with oom_score_adj 1000, so that the kernel kills it and not guests."
                .to_owned(),
        );
    }
    lines
}

fn in_guests(load: Load, profile: &Profile) -> String {
    let kind = load.row().kind;
    let command = load.command(&(kind.in_guest)(profile)).join(" ");
    format!("Load in every guest: `{command}`{}.", (kind.guest_text)(profile))
}
