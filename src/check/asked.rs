//! A check while a scenario is played: the questions that it answers, and what it gets with each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::{GuestLook, Proof};
use crate::failure::{Failure, Result};
use crate::guest::{Fleet, Guest, Since};
use crate::host::{AddedLog, Host, ImageCheck, LogMarks};
use crate::libvirt::HostEvent;
use crate::load::LoadWatch;
use crate::migration::LegReport;
use crate::plan::Leg;
use crate::probe::{Gap, Summary};
use crate::record::Clocks;
use crate::remote::Observation;
use crate::scenario::{Scenario, ScenarioFile};

/// What a check knows of the scenario when it begins.
pub struct Scene<'a> {
    pub scenario: &'a Scenario,
    pub fleet: &'a Fleet,
    /// The scenario file, which has the settings of checks.
    pub file: &'a ScenarioFile,
    /// Where the hosts' logs ended; none where that could not be read.
    pub logs: Option<&'a LogMarks>,
    /// Source and target before the first move.
    pub hosts: &'a [Observation; 2],
}

/// What a check knows of the time after the last scenario.
pub struct AfterAll<'a> {
    pub fleet: &'a Fleet,
    /// The last scenario found no damage. Otherwise a host that does not answer is no news.
    pub was_whole: bool,
    /// QEMUs that have ended by themselves since then.
    pub ends: &'a [HostEvent],
    /// What has befallen guests since then in another way.
    pub since: &'a Since,
    /// The scenario file, which has the settings of checks.
    pub file: &'a ScenarioFile,
    /// Source and target.
    pub hosts: [Result<Observation>; 2],
}

/// One check through one scenario. It keeps its baseline and its threads, and turns what it gets into proofs. Dropping it
/// ends its threads.
///
/// All calls come from one thread, in the order of what happened. No call may take longer than a question to libvirt: slower
/// looks run beside the moves and arrive when they are complete.
pub trait Asked {
    /// Learns the first look at a guest: before the first move, or after a restart for a move.
    fn learn_start(&mut self, _look: &GuestLook) {}

    /// Learns that the load works.
    fn on_load(&mut self, _load: &LoadWatch) {}

    /// Learns how a migration ended, as soon as libvirt's call has returned.
    fn learn_leg(&mut self, _end: &LegEnd<'_>) {}

    /// Learns that all calls of a step have returned.
    fn learn_step(&mut self, _end: &StepEnd<'_>) {}

    /// Judges the first look at a guest: before the first move, or after a restart for a move.
    fn at_start(&mut self, _look: &GuestLook) -> Vec<Proof> {
        Vec::new()
    }

    /// Judges the boot of a guest that a scenario restarted for its move, whether it came up or not.
    fn on_boot(&mut self, _boot: &BootEnd<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Judges a look into a guest after its move, and one more look at the end.
    fn on_look(&mut self, _look: &GuestLook) -> Vec<Proof> {
        Vec::new()
    }

    /// Judges a guest that does not answer.
    fn on_silence(&mut self, _silence: &Silence<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Judges a look at both hosts after a step, and one more look at the end.
    fn on_hosts(&mut self, _look: &HostsLook<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Judges one migration as soon as libvirt's call has returned.
    fn on_leg(&mut self, _end: &LegEnd<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Judges a stack that refuses what the scenario is about, after a plain migration has shown what it can do.
    fn on_refusal(&mut self, _refusal: &RefusedMigration<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Judges a step when all its calls have returned and no guest moves.
    fn on_step(&mut self, _end: &StepEnd<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Reports what a thread of this check has seen since the last call. The scenario calls this often.
    fn meanwhile(&mut self) -> Vec<Proof> {
        Vec::new()
    }

    /// Whether the check still waits for evidence of completed moves. The load runs on while a check waits.
    fn is_waiting(&self) -> bool {
        false
    }

    /// Judges the load before it ends, after the last move. `patient` is false after a finding that makes further evidence
    /// unlikely.
    fn before_unload(&mut self, _patient: bool) -> Vec<Proof> {
        Vec::new()
    }

    /// Judges the whole scenario, after the last look at every guest that answers.
    fn at_end(&mut self, _end: &End<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Judges the images while every guest stands still. The scenario leaves this out after damage.
    fn at_standstill(&mut self, _images: &[CheckedImage<'_>]) -> Vec<Proof> {
        Vec::new()
    }

    /// Images are checked and logs are collected. What happens from here on is shown to the next scenario.
    fn at_close(&mut self, _close: &Close<'_>) -> Vec<Proof> {
        Vec::new()
    }
}

/// A guest that the scenario restarted for a move.
pub struct BootEnd<'a> {
    pub guest: &'a Guest,
    pub leg: Leg,
    pub report: &'a LegReport,
    pub started: Instant,
    /// When it answered, or why it did not.
    pub up: std::result::Result<Instant, &'a Failure>,
    /// How often libvirt reported a reset since it was started.
    pub resets: usize,
}

/// A guest that does not answer.
pub struct Silence<'a> {
    pub guest: &'a Guest,
    pub leg: Option<Leg>,
    pub why: &'a str,
    /// When the look began.
    pub asked: Instant,
}

/// Both hosts after a step.
pub struct HostsLook<'a> {
    /// A move of that step.
    pub leg: Option<Leg>,
    pub hosts: [(&'a Host, Result<Observation>); 2],
}

/// A migration that is over.
pub struct LegEnd<'a> {
    pub guest: &'a Guest,
    pub leg: Leg,
    /// The name of the host that the guest leaves, as events have it.
    pub source: &'a str,
    pub report: &'a LegReport,
    /// The stack refuses what the scenario is about, and no migration has begun: [`Asked::on_refusal`] judges it.
    pub refused: bool,
}

/// A migration that the stack refuses because of its transport, by its own words.
pub struct RefusedMigration<'a> {
    pub guest: &'a Guest,
    pub leg: Leg,
    /// The stack's words.
    pub words: &'a str,
    /// Nothing if the guest migrates without the transport; otherwise why the refusal is not about the transport.
    pub otherwise: std::result::Result<(), String>,
}

impl LegEnd<'_> {
    /// Makes a proof about the migration's guest, charged to the migration.
    pub fn proof(&self, proof: Proof) -> Proof {
        proof.of(&self.guest.name).after(self.leg)
    }

    /// Whether the migration completed. One that failed has its own finding.
    pub fn is_complete(&self) -> bool {
        self.report.error.is_none()
    }
}

/// All migrations that were under way together.
pub struct StepEnd<'a> {
    pub legs: &'a [(Leg, LegReport)],
    /// Whether guests went both ways in this step.
    pub crosses: bool,
    pub began: Instant,
    pub ended: Instant,
}

/// What multivm measured through the whole scenario.
pub struct End<'a> {
    /// The stream of probes, one summary a guest.
    pub probes: std::result::Result<&'a [Summary], &'a Failure>,
    /// How fast guests were, by themselves; those of whom it is known.
    pub paces: &'a [GuestPace],
    /// How long guests stood still for their moves.
    pub downtimes: &'a [LegDowntime],
    /// The guests that answered the last look.
    pub answering: &'a BTreeMap<String, Arc<Guest>>,
    /// The run was interrupted: an event that is missing proves nothing.
    pub interrupted: bool,
}

/// The hosts when nothing more is done in the scenario.
pub struct Close<'a> {
    /// None where the last look already had no answer, or the run was interrupted.
    pub hosts: Option<HostsLook<'a>>,
    /// The run was interrupted: what was not seen proves nothing.
    pub interrupted: bool,
    /// What was added to all logs since the scenario before stopped reading.
    pub logs: std::result::Result<&'a [AddedLog], &'a Failure>,
}

/// How fast a guest was through the scenario, by our program in it, on this machine's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestPace {
    pub guest: String,
    /// The last time that it was heard.
    pub heard: Instant,
    /// When it should have had its turn and had to wait for it; none if it has kept fewer than there were.
    pub gaps: Option<Vec<Gap>>,
    /// When it stood still together with this process, because whoever halted one halted both. No other time here contains any of it.
    pub halts: Vec<Gap>,
    /// When memory was written, and the milliseconds that a GiB would have taken: ten a second, the fastest of each tenth of one. The slowest
    /// would tell of whatever else the guest and its host computed.
    pub best_speeds: Vec<(Instant, f64)>,
    /// Synced writes to its disk; none if it has kept fewer than there were.
    pub writes: Vec<Gap>,
    /// Reads from its disk, and transfers of many records there and back, in the same way.
    pub reads: Vec<Gap>,
    pub transfers: Vec<Gap>,
    /// From the end of each write, of a transfer as well, to the end of the next one, and from the end of the last one to the last time that the
    /// guest was heard.
    pub unsynced: Vec<Gap>,
}

/// How long a guest stood still for one move.
#[derive(Debug, Clone, PartialEq)]
pub struct LegDowntime {
    pub guest: String,
    pub leg: Leg,
    /// The number of the move's step.
    pub step: usize,
    pub clocks: Clocks,
}

/// The image of a guest that stands still.
pub struct CheckedImage<'a> {
    pub guest: &'a Guest,
    /// What `qemu-img check` found, or why it could not look.
    pub found: std::result::Result<&'a ImageCheck, String>,
}
