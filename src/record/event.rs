//! The events of a run: the format of the record, field by field.
//!
//! A line of `record.jsonl` is one JSON object: `t_ms`, then `"event"` with the name of the event in snake case, then that
//! event's own fields. The first line, `run_started`, also carries the version of the format, `v`, and the wall clock's
//! time, `at`, from which `t_ms` counts. Lines between `scenario_started` and `scenario_finished` belong to that scenario.
//! Absent fields are not known or do not apply. Units are in the names: `_s` seconds, `_ms` milliseconds. Statistics
//! (`stats`) keep libvirt's own names and units.
//!
//! New events and new optional fields may come without a new version: readers see an event they do not know as
//! [`Event::Unknown`], and skip fields they do not know. Anything else is a new version, which other readers refuse.
//! `docs/record.schema.json` is generated from these types.
//!
//! No field is meant for a secret. Command lines go in through [`RunHeader::new`], which blanks the values of options
//! that carry one.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Disagreement, DomainEvent, Finding, LegError, LostLines, Outcome, RecordedProfile, Stats};
use crate::scenario::{Direction, Side};

/// Version of the record's format, `v` in the first line.
pub const RECORD_VERSION: u32 = 2;

/// The time of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// By the clock of the machine that ran multivm, computed from the record's beginning and `t_ms`.
    pub at: SystemTime,
    /// Milliseconds since the record was created, monotonic. Compute with these, because clocks may be set while guests
    /// move.
    pub t_ms: u64,
}

/// The description of a run: the first event of a record, and the header of every report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunHeader {
    /// Identity of the run, the name of its folder.
    pub run: String,
    /// The command line, program first, secrets blanked.
    pub command: Vec<String>,
    /// Facts about the hosts and their software: `source.kernel`, `target.qemu`, `accelerator`, ...
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stack: BTreeMap<String, String>,
    /// The profile of the run; absent in a merged record whose parts have different ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<RecordedProfile>,
    /// The number of selected scenarios; absent if the run does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenarios: Option<u32>,
    /// The seed of all random choices; absent if no scenario makes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The catalogue of guests, as the user named it; absent where no catalogue lists the guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<String>,
    /// The process that writes the record; absent in a record made of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<WriterProcess>,
}

/// A process of the machine that runs multivm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WriterProcess {
    /// The process id.
    pub pid: i32,
    /// The process's start, in clock ticks since its machine booted. It tells the process from a later one with its pid.
    pub start_ticks: u64,
}

impl RunHeader {
    /// A header with the command line's secrets blanked.
    pub fn new(run: impl Into<String>, command: impl IntoIterator<Item = String>) -> RunHeader {
        RunHeader { run: run.into(), command: without_secrets(command), ..RunHeader::default() }
    }

    /// The values of the profile in words, by name.
    pub fn profile_values(&self) -> BTreeMap<String, String> {
        let values = self.profile.iter().flat_map(RecordedProfile::named);
        let plain = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        values.map(|(name, value)| (name, plain(value))).collect()
    }

    /// A fact about the source and the target, as `qemu`.
    pub fn of_hosts(&self, fact: &str) -> [Option<&String>; 2] {
        [Side::Source, Side::Target].map(|side| self.stack.get(&format!("{side}.{fact}")))
    }
}

/// Blanks `--some-password=VALUE` and the argument after `--some-password`.
fn without_secrets(command: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut next_is_secret = false;
    command
        .into_iter()
        .map(|argument| {
            if std::mem::take(&mut next_is_secret) {
                return "***".to_string();
            }
            let (option, value) = match argument.split_once('=') {
                Some((option, _)) => (option, true),
                None => (argument.as_str(), false),
            };
            let lower = option.to_lowercase();
            let secret = option.starts_with('-')
                && ["password", "passphrase", "secret", "token"].iter().any(|word| lower.contains(word));
            match (secret, value) {
                (true, true) => format!("{option}=***"),
                (secret, _) => {
                    next_is_secret = secret;
                    argument
                }
            }
        })
        .collect()
}

/// The downtime of one guest for one migration by three clocks, milliseconds. The fourth one, libvirt's, is in `stats` of the
/// migration's `leg_finished`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Clocks {
    /// The downtime that a client of the guest would agree with: `network_ms`, corrected within its error by `guest_ms`.
    pub reported_ms: f64,
    /// The longest time without an answer to a probe from outside, among those that touch the migration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_ms: Option<f64>,
    /// The error bound of `network_ms`, either way: one probe interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_error_ms: Option<f64>,
    /// How long the guest itself did nothing: the longest of its gaps. The gap in which the guest stood still includes
    /// `guest_lost_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_ms: Option<f64>,
    /// The error bound of `guest_ms`, either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_error_ms: Option<f64>,
    /// The longest time between two turns of a loop that sleeps 1 ms (10 ms under TCG, where a turn costs 0.2 ms of a CPU), by
    /// the guest's monotonic clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_gap_ms: Option<f64>,
    /// How far the guest's clock fell behind that of the machine that runs multivm. A clock that stands still with its guest
    /// cannot show this as a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_lost_ms: Option<f64>,
    /// From the stop of the CPUs on the source to their start on the target, as both QEMUs reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qemu_ms: Option<f64>,
    /// The longest silence of the guest by either clock outside of its migrations, in the whole scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub everyday_ms: Option<f64>,
    /// The time of a synced write to the guest's disk, by the guest's clock: the median of the writes during the migration.
    /// A guest that stands still meanwhile has a longer one, unless its clock stands still as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_write_ms: Option<f64>,
    /// The longest synced write to the guest's disk during the migration, by the guest's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_write_ms: Option<f64>,
    /// The clocks that disagree by more than their error bounds, 100 ms and `everyday_ms` together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disagreements: Vec<Disagreement>,
}

/// A run that is a part of a merged record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Part {
    /// Identity of the run, the name of its folder.
    pub run: String,
    /// The run's command line, program first, secrets blanked.
    pub command: Vec<String>,
    /// The facts about the run's hosts and their software in which the parts differ.
    pub stack: BTreeMap<String, String>,
    /// The run's profile; absent if all parts share one, which the header then has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<RecordedProfile>,
    /// What the run's random choices follow from; absent if it makes none, and if all parts share one, which the header then has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether the run ended in an orderly way. A part that was cut off has results made up for the scenarios that it began.
    pub complete: bool,
    /// The run's scenarios that an earlier part has as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<String>,
}

/// The result of a run that ended in an orderly way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunEnd {
    /// Scenarios that passed.
    pub passed: u32,
    /// Scenarios that failed.
    pub failed: u32,
    /// Scenarios that were ignored.
    pub ignored: u32,
    /// Scenarios that the environment could not run.
    pub errors: u32,
    /// The run's duration, in seconds.
    pub duration_s: f64,
}

/// An event of a run.
///
/// `scenario` is the full name. `guest` and `host` are the names of the inventory. `round` counts from 1. `step` counts the
/// moves of a scenario from 1; moves that overlap share one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first line of every record.
    RunStarted(RunHeader),
    /// A fixture (hosts, storage, fleet, ...) can be used from now on.
    FixtureReady {
        /// The fixture's name.
        name: String,
        /// How long the fixture took to build, in seconds.
        duration_s: f64,
        /// Facts about the fixture: versions, sizes, addresses.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        facts: BTreeMap<String, String>,
    },
    /// One more of the guests that are being started answers.
    GuestsAnswer {
        /// The number of guests that answer.
        answering: u32,
        /// The number of guests that are being started.
        of: u32,
    },
    /// The kernel of a guest has panicked.
    GuestPanicked {
        /// The guest whose kernel has panicked.
        guest: String,
        /// The host on which the guest ran.
        host: String,
        /// The kernel's own words for the panic.
        words: String,
    },
    /// A scenario begins. Without a [`Event::ScenarioFinished`] it died.
    ScenarioStarted {
        /// The scenario's full name.
        scenario: String,
        /// Whether the scenario lies beyond the matrix: such a scenario is played only on request.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ignored: bool,
    },
    /// A stress tool runs in a guest or on a host.
    LoadStarted {
        /// The guest in which the tool runs; absent for a load on a host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guest: Option<String>,
        /// The host on which the tool runs; absent for a load in a guest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// The tool's command line.
        command: String,
        /// The basis of the load's computed size; absent if the profile has the size.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        basis: Option<String>,
        /// The tool's process id on its machine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pid: Option<u32>,
    },
    /// The migration of one guest begins.
    LegStarted {
        /// The guest that migrates.
        guest: String,
        /// The round of the migration, counted from 1.
        round: u32,
        /// The direction of the migration.
        direction: Direction,
        /// The step of the migration, counted from 1.
        step: u32,
    },
    /// An event of libvirt's about a domain, at the line's `t_ms`.
    LibvirtEvent {
        /// The host of that libvirt.
        host: String,
        /// The guest of the domain; absent for an event about the connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guest: Option<String>,
        /// What libvirt reported.
        #[serde(flatten)]
        what: DomainEvent,
    },
    /// The statistics of a running migration, at the line's `t_ms`: at most four times a second, and once per pass over the
    /// memory.
    JobSample {
        /// The guest that migrates.
        guest: String,
        /// libvirt's job statistics, with its names and units, as far as they have changed since the last sample of this
        /// migration. A statistic that was 0 from the beginning is absent; `operation`, `memory_page_size`,
        /// `memory_normal_bytes` and `setup_time` are only in `leg_finished`.
        stats: Stats,
    },
    /// The migration of one guest is over.
    LegFinished {
        /// The guest that migrates.
        guest: String,
        /// The round of the migration, counted from 1.
        round: u32,
        /// The direction of the migration.
        direction: Direction,
        /// The step of the migration, counted from 1.
        step: u32,
        /// Why the migration did not succeed; absent with success.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<LegError>,
        /// The moment of libvirt's call, on the clock of `t_ms`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        began_t_ms: Option<f64>,
        /// From the call to its return, in seconds.
        duration_s: f64,
        /// All statistics of the completed job from the source, with libvirt's names and units; absent if there are none.
        #[serde(default, skip_serializing_if = "Stats::is_empty")]
        stats: Stats,
        /// From the call to the switch to post-copy, in seconds; absent without a switch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        switchover_s: Option<f64>,
    },
    /// The downtime of a guest for one migration, by every clock.
    Downtime {
        /// The guest that migrates.
        guest: String,
        /// The round of the migration, counted from 1.
        round: u32,
        /// The direction of the migration.
        direction: Direction,
        /// The step of the migration, counted from 1.
        step: u32,
        /// What each clock says of the downtime.
        #[serde(flatten)]
        clocks: Clocks,
    },
    /// How fast our program in a guest wrote memory.
    GuestSpeed {
        /// The guest that wrote.
        guest: String,
        /// The moment of each measurement, on the clock of `t_ms`, and the milliseconds for a GiB.
        samples: Vec<(u64, u64)>,
    },
    /// The CPU time of the processes of each host, its guests among them, since the last sample.
    BusyCpus {
        /// The average number of busy CPUs by host, of those that answered: 1.5 is one and a half.
        hosts: BTreeMap<String, f64>,
    },
    /// Checks that were asked at one moment about one subject, and held.
    ChecksHeld {
        /// The guest that was judged; absent for a host or the whole fleet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guest: Option<String>,
        /// The round of the move that was judged, counted from 1; absent before the first and after the last move.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        round: Option<u32>,
        /// The direction of the move that was judged; absent before the first and after the last move.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        direction: Option<Direction>,
        /// The name of each check, and what it saw.
        held: Vec<(String, String)>,
    },
    /// A check that did not hold: a finding of the scenario's last play.
    CheckFailed(Finding),
    /// A check that did not hold because of what another check found: no finding of its own.
    CheckExplained {
        /// The guest that was judged; absent for a host or the whole fleet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guest: Option<String>,
        /// The round of the move that was judged, counted from 1; absent before the first and after the last move.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        round: Option<u32>,
        /// The direction of the move that was judged; absent before the first and after the last move.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        direction: Option<Direction>,
        /// The name of the check.
        check: String,
        /// What the check saw.
        seen: String,
        /// The name of the check whose finding explains it.
        by: String,
    },
    /// The probe stream of one guest over a whole scenario.
    ProbeSummary {
        /// The guest that was probed.
        guest: String,
        /// Probes sent.
        sent: u64,
        /// Replies received.
        received: u64,
        /// The longest time without a reply, in milliseconds; absent if it is one of `gaps`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        longest_gap_ms: Option<f64>,
        /// Every time without a reply longer than three probe intervals: the moment of the last reply before it, on the
        /// clock of `t_ms`, and the milliseconds to the next reply, or to the scenario's end.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gaps: Vec<(f64, f64)>,
    },
    /// multivm repaired something between scenarios.
    Repair {
        /// The largest part that the repair made anew.
        part: RepairedPart,
        /// The repair, and the thing that was repaired.
        what: String,
        /// The finding that made the repair necessary.
        why: String,
    },
    /// multivm itself did not run for a while: it was stopped, had no CPU, or its machine was suspended. This time counts as no gap
    /// of a guest, and moves deadlines.
    HarnessHalted {
        /// The last moment at which multivm ran, on the clock of `t_ms`.
        from_t_ms: f64,
        /// How long multivm did not run, in seconds; `t_ms` does not count a suspension of the machine.
        duration_s: f64,
    },
    /// The following lines belong to this part of a merged record, up to the next such event. Only merging writes it.
    PartStarted(Part),
    /// Lines before this one could not be written when they were due. This is the first line that could.
    LinesLost(LostLines),
    /// A scenario ended. Its findings are the [`Event::CheckFailed`] of its last play.
    ScenarioFinished(Outcome),
    /// The run ended in an orderly way. A record without it was cut off.
    RunFinished(RunEnd),
    /// An event that this multivm does not know. Only readers make it.
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Unknown,
}

impl Event {
    /// Moves the event's times on the clock of `t_ms` by that many milliseconds, because the record gets another beginning.
    pub(super) fn shift(&mut self, by_ms: f64) {
        match self {
            Event::LegFinished { began_t_ms, .. } => {
                if let Some(at) = began_t_ms {
                    *at += by_ms;
                }
            }
            Event::HarnessHalted { from_t_ms, .. } => *from_t_ms += by_ms,
            Event::ProbeSummary { gaps, .. } => {
                for (from, _) in gaps {
                    *from += by_ms;
                }
            }
            Event::GuestSpeed { samples, .. } => {
                for (at, _) in samples {
                    *at = at.saturating_add_signed(by_ms as i64);
                }
            }
            Event::LinesLost(lost) => {
                lost.from_t_ms = lost.from_t_ms.saturating_add_signed(by_ms as i64);
                lost.to_t_ms = lost.to_t_ms.saturating_add_signed(by_ms as i64);
            }
            // The list names every event, so that a new one makes the compiler ask here.
            Event::RunStarted(_)
            | Event::FixtureReady { .. }
            | Event::GuestsAnswer { .. }
            | Event::GuestPanicked { .. }
            | Event::ScenarioStarted { .. }
            | Event::LoadStarted { .. }
            | Event::LegStarted { .. }
            | Event::LibvirtEvent { .. }
            | Event::JobSample { .. }
            | Event::Downtime { .. }
            | Event::BusyCpus { .. }
            | Event::ChecksHeld { .. }
            | Event::CheckFailed(_)
            | Event::CheckExplained { .. }
            | Event::Repair { .. }
            | Event::PartStarted(_)
            | Event::ScenarioFinished(_)
            | Event::RunFinished(_)
            | Event::Unknown => {}
        }
    }

    /// The event's name in the record.
    pub fn name(&self) -> &'static str {
        match self {
            Event::RunStarted(_) => "run_started",
            Event::FixtureReady { .. } => "fixture_ready",
            Event::ScenarioStarted { .. } => "scenario_started",
            Event::LoadStarted { .. } => "load_started",
            Event::LegStarted { .. } => "leg_started",
            Event::LibvirtEvent { .. } => "libvirt_event",
            Event::JobSample { .. } => "job_sample",
            Event::LegFinished { .. } => "leg_finished",
            Event::Downtime { .. } => "downtime",
            Event::GuestSpeed { .. } => "guest_speed",
            Event::BusyCpus { .. } => "busy_cpus",
            Event::ChecksHeld { .. } => "checks_held",
            Event::CheckFailed(_) => "check_failed",
            Event::CheckExplained { .. } => "check_explained",
            Event::ProbeSummary { .. } => "probe_summary",
            Event::Repair { .. } => "repair",
            Event::HarnessHalted { .. } => "harness_halted",
            Event::PartStarted(_) => "part_started",
            Event::LinesLost(_) => "lines_lost",
            Event::GuestsAnswer { .. } => "guests_answer",
            Event::GuestPanicked { .. } => "guest_panicked",
            Event::ScenarioFinished(_) => "scenario_finished",
            Event::RunFinished(_) => "run_finished",
            Event::Unknown => "unknown",
        }
    }
}

/// The part that a repair made anew, from the smallest to the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RepairedPart {
    /// The scenario alone: it is played again.
    Scenario,
    /// Our program in guests that keeps patterns in memory and on disk.
    Witness,
    /// Guests, with fresh images.
    Guest,
    /// A daemon of a host or of the storage server.
    Daemon,
    /// All connections to hosts and storage. Whole guests stay.
    Connection,
    /// The hosts, the storage server and every guest.
    Host,
    /// A part that this multivm does not know. Only readers make it.
    #[serde(other)]
    #[cfg_attr(test, schemars(skip))]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::glued(&["t", "--root-password=geheim"], &["t", "--root-password=***"])]
    #[case::next(&["t", "--token", "geheim", "x"], &["t", "--token", "***", "x"])]
    #[case::filter(&["t", "postcopy_cross", "a=b"], &["t", "postcopy_cross", "a=b"])]
    fn secrets_stay_out_of_the_command(#[case] given: &[&str], #[case] kept: &[&str]) {
        let header = RunHeader::new("r", given.iter().map(ToString::to_string));
        assert_eq!(header.command, kept);
    }

    #[test]
    fn a_later_event_is_unknown_not_an_error() {
        let event: Event = serde_json::from_str(r#"{"event":"moon_phase","phase":"full"}"#).unwrap();
        assert_eq!(event, Event::Unknown);
    }
}
