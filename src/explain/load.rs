//! The load of a scenario, as it is explained.

use super::count;
use crate::scenario::{Booting, HostShare, Kind, LoadSize, Profile, Scenario, Tool, Workload, load_command};

/// A line for every place where load is.
pub(super) fn lines(scenario: &Scenario, profile: &Profile) -> Vec<String> {
    match scenario.workload {
        Workload::Stress { tool, kind, share } => {
            let mut lines = Vec::new();
            if scenario.location.in_guests() {
                lines.push(load_in_guests(tool, kind, profile));
            }
            for host in scenario.location.hosts() {
                let amount = amount_on_host(kind, share);
                lines.push(format!("Load on the {host} host: `{}`, {amount}.", tool.program()));
            }
            if !scenario.location.hosts().is_empty() {
                lines.push(
                        "Load on a host runs with oom_score_adj 1000, so that the kernel kills it and not guests."
                            .to_owned(),
                    );
            }
            lines
        }
        Workload::Boot(booting) => vec![load_by_booting(booting, profile)],
    }
}

fn load_in_guests(tool: Tool, kind: Kind, profile: &Profile) -> String {
    let command = load_command(tool, kind, LoadSize::of_guest(kind, profile)).join(" ");
    let each = match kind {
        Kind::Cpu => String::new(),
        Kind::Memory => format!(" ({} for each worker)", profile.memory_bytes),
    };
    format!("Load in every guest: `{command}`{each}.")
}

fn amount_on_host(kind: Kind, share: Option<HostShare>) -> &'static str {
    match (kind, share) {
        (Kind::Cpu, Some(HostShare::Half)) => "workers on half of its CPUs, at least one",
        (Kind::Cpu, Some(HostShare::Short)) => {
            "3/2 as many workers as it has CPUs (rounded up, at least one more)"
        }
        (Kind::Memory, Some(HostShare::Half)) => "half of the memory that it has left after its guests",
        (Kind::Memory, Some(HostShare::Short)) => "5/4 of the memory that it has left after its guests",
        (Kind::Cpu | Kind::Memory, None) => "as much as in a guest",
    }
}

fn load_by_booting(booting: Booting, profile: &Profile) -> String {
    let again = "started again as soon as it is up, until the moves are over";
    match booting {
        Booting::LoadVm => format!(
            "Load: load guest 1, which does not migrate, boots on the source; it is {again}."
        ),
        Booting::LoadVms => format!(
            "Load: {} booting, never migrating, alternately on source and target (number 1 on the source); each is {again}.",
            count(profile.load_guests, "load guest", "load guests"),
        ),
        Booting::MigratedVms => {
            "Load: before every move all guests are started anew (power off and on), and migrate while they boot."
                .to_owned()
        }
    }
}
