//! The view of one scenario, by its last play.

use std::collections::{BTreeMap, BTreeSet};

use super::{LegView, RepairView};
use crate::record::{Outcome, Play};
use crate::scenario::Scenario;

/// A scenario, from its beginning to its result.
#[derive(Clone, Debug)]
pub struct ScenarioView {
    /// The scenario's name, with ` #2` for a second play of that name: a merged record may have one from each of several
    /// runs, and none hides another.
    pub title: String,
    /// The outcome. Without a result in the record it is an error that says so.
    pub outcome: Outcome,
    /// The play, with the details of its last attempt.
    pub play: Play<PlayDetails>,
}

/// The details of a scenario's last attempt.
#[derive(Clone, Debug, Default)]
pub struct PlayDetails {
    /// The repairs just before it.
    pub repairs: Vec<RepairView>,
    pub loads: Vec<LoadView>,
    /// Every migration of every guest, in the order of their beginnings.
    pub legs: Vec<LegView>,
    pub checks: Vec<CheckView>,
    pub probes: Vec<ProbeView>,
    /// Write speeds by guest: the moment, and the milliseconds for a GiB of memory.
    pub speeds: BTreeMap<String, Vec<(f64, f64)>>,
    /// Busy CPUs by host: the moment, and the average since the last sample.
    pub cpu: BTreeMap<String, Vec<(f64, f64)>>,
}

impl ScenarioView {
    /// The details of the last attempt.
    pub fn details(&self) -> &PlayDetails {
        &self.play.details
    }

    /// Every migration of every guest in the last attempt.
    pub fn legs(&self) -> &[LegView] {
        &self.play.details.legs
    }

    /// The scenario's group: `postcopy_cross`, or `postcopy_cross::xbzrle`.
    pub fn group(&self) -> String {
        group_of(&self.outcome.scenario)
    }

    /// The names of all guests in the scenario, in the order of their numbers: vm2 before vm10.
    pub fn guests(&self) -> Vec<String> {
        let PlayDetails { legs, checks, probes, speeds, .. } = self.details();
        let legs = legs.iter().map(|leg| &leg.leg.guest);
        let checks = checks.iter().filter_map(|check| check.guest.as_ref());
        let probes = probes.iter().map(|probe| &probe.guest);
        let speeds = speeds.keys();
        let names: BTreeSet<&String> = legs.chain(checks).chain(probes).chain(speeds).collect();
        let mut names: Vec<String> = names.into_iter().cloned().collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        names
    }

    /// The longest downtime of its migrations, and whether that is a reported one. Otherwise it is libvirt's.
    pub fn longest_downtime_ms(&self) -> Option<(f64, bool)> {
        let downtimes = self.legs().iter().filter_map(|leg| leg.leg.downtime_ms());
        downtimes.max_by(|(one, reported), (other, too)| reported.cmp(too).then(one.total_cmp(other)))
    }
}

/// The group of a scenario's name among results: mode, order and transport; the first part of a name that this version does
/// not know.
pub fn group_of(name: &str) -> String {
    match name.parse::<Scenario>() {
        Ok(scenario) => scenario.result_group(),
        Err(_) => name.split("::").next().unwrap_or(name).to_owned(),
    }
}

/// The name of the group of all scenarios.
pub const ALL: &str = "all";

/// Whether the scenario of this name is in a group: `postcopy_cross`, or [`ALL`].
pub fn is_in_group(name: &str, group: &str) -> bool {
    group == ALL || group_of(name) == group
}

/// A stress tool that was started.
#[derive(Clone, Debug)]
pub struct LoadView {
    pub t_ms: f64,
    pub guest: Option<String>,
    pub host: Option<String>,
    pub command: String,
    pub basis: Option<String>,
}

/// A proof.
#[derive(Clone, Debug)]
pub struct CheckView {
    pub t_ms: f64,
    pub guest: Option<String>,
    pub check: String,
    pub ok: bool,
    /// None of a proof that held.
    pub expected: Option<String>,
    pub seen: String,
}

/// The probes of one guest, over the whole scenario.
#[derive(Clone, Debug)]
pub struct ProbeView {
    pub guest: String,
    pub sent: u64,
    pub received: u64,
    pub longest_gap_ms: Option<f64>,
    /// Each time in which the guest did not answer: its beginning, and its milliseconds.
    pub gaps: Vec<(f64, f64)>,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Migrations by two transports are not alike, whatever else they share.
    #[rstest]
    #[case("precopy_orderly::in_vms::stress_cpu", "precopy_orderly")]
    #[case("precopy_orderly::in_vms::stress_cpu::set_vcpu_1", "precopy_orderly")]
    #[case("precopy_orderly::in_vms::stress_cpu::multifd", "precopy_orderly::multifd")]
    #[case("precopy_orderly::in_vms::stress_cpu::multifd::set_vcpu_1", "precopy_orderly::multifd")]
    #[case("precopy_compressed::booting::load_vms", "precopy_compressed")]
    #[case("precopy_zigzag::on_the_moon::stress_cpu", "precopy_zigzag")]
    #[case("a name without parts", "a name without parts")]
    fn a_group_is_of_one_mode_order_and_transport(#[case] name: &str, #[case] group: &str) {
        assert_eq!(group_of(name), group);
    }
}
