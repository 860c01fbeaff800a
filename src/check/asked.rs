//! A check while a scenario is played: what it is asked, and with what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::{GuestLook, Proof};
use crate::failure::{Failure, Result};
use crate::guest::{Fleet, Guest};
use crate::host::{Host, ImageCheck, LogMarks};
use crate::load::LoadWatch;
use crate::migration::LegReport;
use crate::plan::Leg;
use crate::probe::Summary;
use crate::record::Clocks;
use crate::remote::Observation;
use crate::scenario::{AllowedLine, Budget, Scenario};

/// What a check knows of the scenario when it begins.
pub struct Scene<'a> {
    pub scenario: &'a Scenario,
    pub fleet: &'a Fleet,
    pub allowed_lines: &'a [AllowedLine],
    pub budget: &'a Budget,
    /// Where the hosts' logs ended; none where that could not be read.
    pub logs: Option<&'a LogMarks>,
    /// Source and target before the first move.
    pub hosts: &'a [Observation; 2],
}

/// One check through one scenario: it keeps its baseline and its threads, and makes proofs of what it is shown. Dropping it
/// ends its threads.
///
/// All calls come from one thread, in the order in which things happened. None waits for a machine longer than a question to
/// libvirt takes: what takes longer is looked at beside the moves, and shown when it is there.
pub trait Asked {
    /// The first look at a guest: before the first move, or after it was started anew for a move.
    fn at_start(&mut self, _look: &GuestLook) -> Vec<Proof> {
        Vec::new()
    }

    /// The load is at work.
    fn on_load(&mut self, _load: &LoadWatch) {}

    /// A guest that was started anew for its move has booted, or has not.
    fn on_boot(&mut self, _boot: &BootEnd<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// A look into a guest after its move, and once more at the end.
    fn on_look(&mut self, _look: &GuestLook) -> Vec<Proof> {
        Vec::new()
    }

    /// A guest does not answer.
    fn on_silence(&mut self, _silence: &Silence<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// A look at both hosts after a step, and once more at the end.
    fn on_hosts(&mut self, _look: &HostsLook<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// libvirt's call is over.
    fn on_leg(&mut self, _end: &LegEnd<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// The stack refuses what the scenario is about, and it has been seen what it does without.
    fn on_refusal(&mut self, _refusal: &Refusal<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// All calls of a step are over, and no guest moves.
    fn on_step(&mut self, _end: &StepEnd<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Asked again and again: what a thread of this check has seen since.
    fn meanwhile(&mut self) -> Vec<Proof> {
        Vec::new()
    }

    /// Whether it still waits for evidence of moves that are over; the load goes on until it does not.
    fn is_waiting(&self) -> bool {
        false
    }

    /// The moves are over and the load is about to end; `patient` is whether nothing was found so far that makes further
    /// evidence unlikely to come.
    fn before_unload(&mut self, _patient: bool) -> Vec<Proof> {
        Vec::new()
    }

    /// Everything is over: all guests that answer have been looked at for the last time.
    fn at_end(&mut self, _end: &End<'_>) -> Vec<Proof> {
        Vec::new()
    }

    /// Every guest stands still, and its image has been checked. Not asked after damage.
    fn at_standstill(&mut self, _images: &[GuestImage<'_>]) -> Vec<Proof> {
        Vec::new()
    }
}

/// A guest that was started anew for a move.
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
    /// The name of the host that the guest was to leave, as events have it.
    pub source: &'a str,
    pub report: &'a LegReport,
    /// The stack refuses what the scenario is about, and nothing has been tried: [`Asked::on_refusal`] judges it.
    pub refused: bool,
}

/// A migration that the stack refuses, as it says, for the transport that it was to go by.
pub struct Refusal<'a> {
    pub guest: &'a Guest,
    pub leg: Leg,
    /// The stack's words.
    pub words: &'a str,
    /// The guest migrates without the transport; else what says that the refusal is not about it.
    pub otherwise: std::result::Result<(), String>,
}

impl LegEnd<'_> {
    /// A proof about its guest, charged to it.
    pub fn proof(&self, proof: Proof) -> Proof {
        proof.of(&self.guest.name).after(self.leg)
    }

    /// Whether there is a migration to be judged: one that failed has its own finding.
    pub fn is_complete(&self) -> bool {
        self.report.error.is_none()
    }
}

/// All migrations that were under way together.
pub struct StepEnd<'a> {
    pub legs: &'a [(Leg, LegReport)],
    /// Whether guests went both ways in it.
    pub crosses: bool,
    pub began: Instant,
    pub ended: Instant,
}

/// What was measured through the whole scenario.
pub struct End<'a> {
    /// The stream of probes, one summary a guest.
    pub probes: std::result::Result<&'a [Summary], &'a Failure>,
    /// How long guests stood still for their moves.
    pub downtimes: &'a [LegDowntime],
    /// The guests that answered the last look.
    pub answering: &'a BTreeMap<String, Arc<Guest>>,
    /// The run was interrupted: what has not happened proves nothing.
    pub interrupted: bool,
}

/// How long a guest stood still for one move.
#[derive(Debug, Clone, PartialEq)]
pub struct LegDowntime {
    pub guest: String,
    pub leg: Leg,
    /// The number of its step.
    pub step: usize,
    pub clocks: Clocks,
}

/// The image of a guest that stands still.
pub struct GuestImage<'a> {
    pub guest: &'a Guest,
    /// What was found, or why nothing could be.
    pub found: std::result::Result<&'a ImageCheck, String>,
}
