//! One scenario: its last play.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::{LegView, RepairView};
use crate::record::{Outcome, Verdict};
use crate::scenario::Direction;

/// A scenario, from its beginning to its result.
#[derive(Clone, Debug)]
pub struct ScenarioView {
    /// The scenario's name; of a second one of that name with ` #2` behind it: a merged record may have one from several
    /// runs, and none hides another.
    pub title: String,
    /// What it came to; an error that says so if the record has no result of it.
    pub outcome: Outcome,
    /// Whether the record has a result of it.
    pub ended: bool,
    /// When it began; none for one that was never begun.
    pub began_t_ms: Option<f64>,
    /// How often it was played. All that follows is of the last time.
    pub plays: u32,
    /// What was put in order just before it.
    pub repairs: Vec<RepairView>,
    pub loads: Vec<LoadView>,
    /// Every migration of every guest, in the order of their beginnings.
    pub legs: Vec<LegView>,
    pub checks: Vec<CheckView>,
    pub probes: Vec<ProbeView>,
    pub gaps: Vec<GapView>,
    /// By guest: when, and the milliseconds that writing a GiB of memory would have taken.
    pub speeds: BTreeMap<String, Vec<(f64, f64)>>,
    /// By host: when, and how many CPUs were busy since the sample before.
    pub cpu: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Default for ScenarioView {
    /// Nothing yet. The fold gives it its outcome.
    fn default() -> ScenarioView {
        ScenarioView {
            title: String::new(),
            outcome: Outcome::new("", Verdict::Error, SystemTime::UNIX_EPOCH),
            ended: false,
            began_t_ms: None,
            plays: 0,
            repairs: Vec::new(),
            loads: Vec::new(),
            legs: Vec::new(),
            checks: Vec::new(),
            probes: Vec::new(),
            gaps: Vec::new(),
            speeds: BTreeMap::new(),
            cpu: BTreeMap::new(),
        }
    }
}

impl ScenarioView {
    /// `postcopy_cross`; the whole name for one that has no parts.
    pub fn group(&self) -> &str {
        group_of(&self.outcome.scenario)
    }

    /// All guests of which something is known, by name, numbers in their order: vm2 before vm10.
    pub fn guests(&self) -> Vec<String> {
        let legs = self.legs.iter().map(|leg| &leg.leg.guest);
        let checks = self.checks.iter().filter_map(|check| check.guest.as_ref());
        let probes = self.probes.iter().map(|probe| &probe.guest);
        let speeds = self.speeds.keys();
        let names: BTreeSet<&String> = legs.chain(checks).chain(probes).chain(speeds).collect();
        let mut names: Vec<String> = names.into_iter().cloned().collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        names
    }

    /// The longest downtime of its migrations, and whether it is a reported one; else it is libvirt's.
    pub fn longest_downtime_ms(&self) -> Option<(f64, bool)> {
        let downtimes = self.legs.iter().filter_map(|leg| leg.leg.downtime_ms());
        downtimes.max_by(|(one, reported), (other, too)| reported.cmp(too).then(one.total_cmp(other)))
    }
}

/// `{mode}_{order}` of a scenario's name; the whole name of one that has no parts.
pub fn group_of(name: &str) -> &str {
    name.split_once("::").map_or(name, |(group, _)| group)
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
    pub round: Option<u32>,
    pub direction: Option<Direction>,
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
}

/// A time in which a guest did not answer.
#[derive(Clone, Debug, PartialEq)]
pub struct GapView {
    pub guest: String,
    pub from_t_ms: f64,
    pub length_ms: f64,
}
