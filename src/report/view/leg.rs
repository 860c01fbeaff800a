//! The migration of one guest.

use super::Sample;
use crate::record::{Clocks, DomainEvent, Phase, Stats};
use crate::scenario::Direction;

/// One migration of one guest.
#[derive(Clone, Debug)]
pub struct LegView {
    pub guest: String,
    pub round: u32,
    pub direction: Direction,
    pub step: u32,
    /// When libvirt was called.
    pub began_t_ms: f64,
    /// When the call returned; none if the record does not say.
    pub ended_t_ms: Option<f64>,
    /// Whether libvirt reported success; none if the record does not say.
    pub ok: Option<bool>,
    pub error: Option<String>,
    /// From the call to the switch to post-copy, seconds.
    pub switchover_s: Option<f64>,
    /// The statistics of the completed job.
    pub completed: Option<Sample>,
    /// libvirt's statistics as the last sample left them.
    pub(super) stats: Stats,
    /// The downtime by every clock; none if the record has it not.
    pub clocks: Option<Clocks>,
    /// In the order of their times.
    pub samples: Vec<Sample>,
    /// What libvirt told of this guest meanwhile, in the order of their times.
    pub events: Vec<LegEvent>,
}

/// What libvirt told of a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct LegEvent {
    pub t_ms: f64,
    pub host: String,
    pub guest: Option<String>,
    pub what: DomainEvent,
}

/// From when to when a phase lasted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub phase: Phase,
    pub from_t_ms: f64,
    pub to_t_ms: f64,
}

impl LegView {
    /// The downtime to report: the larger of the network's and the guest's own; none if neither was measured.
    pub fn reported_ms(&self) -> Option<f64> {
        let clocks = self.clocks.as_ref()?;
        (clocks.network_ms.is_some() || clocks.guest_ms.is_some()).then_some(clocks.reported_ms)
    }

    /// libvirt's downtime, unless it is nonsense: QEMU may never have set its beginning, and then it is the host's
    /// uptime. One that is longer than the whole job cannot be.
    pub fn libvirt_ms(&self) -> Option<f64> {
        let said = self.libvirt_said_ms()?;
        let whole = self.completed.as_ref().and_then(|completed| completed.elapsed_ms).or(self.duration_ms());
        whole.is_none_or(|whole| said <= whole).then_some(said)
    }

    /// libvirt's downtime as it is in the record, also nonsense.
    pub fn libvirt_said_ms(&self) -> Option<f64> {
        let from_event = self.clocks.as_ref().and_then(|clocks| clocks.libvirt_ms);
        from_event.or_else(|| self.completed.as_ref().and_then(|completed| completed.downtime_ms))
    }

    /// From libvirt's call to its return.
    pub fn duration_ms(&self) -> Option<f64> {
        self.ended_t_ms.map(|ended| ended - self.began_t_ms)
    }

    /// Bytes sent, and how many times the guest's memory that is.
    pub fn volume(&self) -> Option<(f64, Option<f64>)> {
        let completed = self.completed.as_ref()?;
        let sent = completed.processed_bytes?;
        Some((sent, completed.total_bytes.filter(|total| *total > 0.0).map(|total| sent / total)))
    }

    /// The passes over the memory that libvirt reported: when, and which.
    pub fn iterations(&self) -> Vec<(f64, u32)> {
        let passes = self.events.iter().filter_map(|event| match event.what {
            DomainEvent::Iteration { pass } => Some((event.t_ms, pass)),
            _ => None,
        });
        passes.collect()
    }

    /// Takes in the statistics of a sample, which are those that have changed.
    pub(super) fn sampled(&mut self, t_ms: f64, changed: &Stats) {
        self.stats.update(changed);
        self.samples.push(Sample::new(t_ms, &self.stats));
    }

    /// The phases one after the other, as libvirt's events show them. `end` is where a migration ends of which the record
    /// has no end.
    pub fn phases(&self, end: f64) -> Vec<Span> {
        let end = self.ended_t_ms.unwrap_or(end).max(self.began_t_ms);
        let mut spans: Vec<Span> = Vec::new();
        let (mut phase, mut from) = (Phase::default(), self.began_t_ms);
        let mut until = |to: f64, phase: Phase| {
            let to = to.clamp(from, end);
            if to > from {
                spans.push(Span { phase, from_t_ms: from, to_t_ms: to });
                from = to;
            }
        };
        for event in &self.events {
            // libvirt's call returns a little later than its job completes.
            let next = phase.after(&event.what).min(Phase::Completion);
            if next != phase {
                until(event.t_ms, phase);
                phase = next;
            }
        }
        until(end, phase);
        spans
    }
}
