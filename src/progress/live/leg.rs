//! One migration of one guest, as far as its events and statistics tell.

use crate::record::{DomainEvent, Phase, Stats};
use crate::scenario::Direction;

/// A migration. Sizes are bytes, rates per second, times milliseconds on the clock of `t_ms`.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveLeg {
    /// Counted from 1.
    pub round: u32,
    pub direction: Direction,
    /// Counted from 1.
    pub step: u32,
    pub since_ms: f64,
    /// When libvirt had finished.
    pub completed_ms: Option<f64>,
    pub phase: Phase,
    /// The pass over the memory, from 1.
    pub pass: Option<u64>,
    /// libvirt's statistics.
    pub stats: Stats,
    /// When it is over.
    pub end: Option<LegEnd>,
}

/// How a migration ended.
#[derive(Clone, Debug, PartialEq)]
pub struct LegEnd {
    pub ok: bool,
    /// What libvirt said otherwise.
    pub error: Option<String>,
    pub seconds: f64,
    pub downtime_ms: Option<f64>,
    /// The downtime is the reported one, by the clocks of network and guest; otherwise libvirt's own.
    pub downtime_is_reported: bool,
}

impl LiveLeg {
    pub(super) fn begin(round: u32, direction: Direction, step: u32, t_ms: f64) -> LiveLeg {
        LiveLeg {
            round,
            direction,
            step,
            since_ms: t_ms,
            completed_ms: None,
            phase: Phase::Setup,
            pass: None,
            stats: Stats::default(),
            end: None,
        }
    }

    /// How much of the memory is across, from 0 to 1; none while libvirt gives no numbers. It goes down when a new pass
    /// over the memory begins, since the guest has dirtied pages meanwhile.
    pub fn fraction(&self) -> Option<f64> {
        if self.phase == Phase::Completed {
            return Some(1.0);
        }
        let total = self.positive("memory_total")? as f64;
        Some((1.0 - self.remaining()? as f64 / total).clamp(0.0, 1.0))
    }

    /// The number of this name, unless it is 0 or libvirt does not give it.
    pub fn positive(&self, name: &str) -> Option<u64> {
        self.stats.number(name).filter(|number| *number > 0)
    }

    /// Bytes of memory that are not across; none while libvirt gives no numbers. Before the first pass it gives a total of 0.
    pub fn remaining(&self) -> Option<u64> {
        self.positive("memory_total").map(|_| self.stats.number("memory_remaining").unwrap_or_default())
    }

    /// Takes in what libvirt reports of the guest.
    pub(super) fn happened(&mut self, t_ms: f64, event: &DomainEvent) {
        self.phase = self.phase.after(event);
        match event {
            DomainEvent::Iteration { pass } => self.pass = self.pass.max(Some(u64::from(*pass))),
            DomainEvent::JobCompleted => self.completed_ms = Some(t_ms),
            _ => {}
        }
    }

    /// Takes in libvirt's job statistics, as far as they have changed.
    pub(super) fn sampled(&mut self, changed: &Stats) {
        self.stats.update(changed);
        if self.positive("memory_total").is_some() {
            self.phase = self.phase.memory_is_sent();
            self.pass = self.pass.max(self.positive("memory_iteration"));
        }
    }

    pub(super) fn finish(&mut self, ok: bool, error: Option<String>, seconds: f64, stats: &Stats) {
        let downtime_ms = stats.number("downtime").map(|ms| ms as f64);
        self.end = Some(LegEnd { ok, error, seconds, downtime_ms, downtime_is_reported: false });
    }

    /// The downtime by all clocks is known.
    pub(super) fn reported(&mut self, downtime_ms: f64) {
        if let Some(end) = &mut self.end {
            end.downtime_ms = Some(downtime_ms);
            end.downtime_is_reported = true;
        }
    }
}
