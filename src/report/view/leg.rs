//! The migration of one guest.

use super::Sample;
use crate::record::Clocks;
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
    /// In libvirt's words: `iteration 2`, `suspended (post-copy)`.
    pub detail: String,
}

/// A part of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Until the first pass over the memory.
    Setup,
    /// The guest runs on the source, its memory is sent.
    Precopy,
    /// The guest stands still, as libvirt told of it.
    Switchover,
    /// The guest runs on the target, and fetches what it misses.
    Postcopy,
    /// The guest is across; the source is tidied up.
    Completion,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Setup => "setup",
            Phase::Precopy => "pre-copy",
            Phase::Switchover => "switchover",
            Phase::Postcopy => "post-copy",
            Phase::Completion => "completion",
        }
    }
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

    /// The passes over the memory that libvirt told of: when, and which.
    pub fn iterations(&self) -> Vec<(f64, u32)> {
        let number = |event: &LegEvent| event.detail.strip_prefix("iteration ")?.parse().ok();
        self.events.iter().filter_map(|event| Some((event.t_ms, number(event)?))).collect()
    }

    /// The phases one after the other, as far as they can be told from libvirt's events; without events what the switch
    /// to post-copy tells. `end` is where a migration ends of which the record has no end.
    pub fn phases(&self, end: f64) -> Vec<Span> {
        let end = self.ended_t_ms.unwrap_or(end).max(self.began_t_ms);
        let at = |wanted: fn(&str) -> bool, after: f64| {
            self.events
                .iter()
                .find(|event| wanted(&event.detail) && event.t_ms >= after)
                .map(|event| event.t_ms)
        };
        let stops = |detail: &str| matches!(detail, "suspended (migrated)" | "suspended (post-copy)");
        let resumes = |detail: &str| matches!(detail, "resumed (migrated)" | "resumed (post-copy)");
        let first_pass = self.iterations().first().map_or(self.began_t_ms, |(t_ms, _)| *t_ms);
        let switched = self.switchover_s.map(|seconds| self.began_t_ms + seconds * 1e3);
        let stopped = at(stops, self.began_t_ms).or(switched);
        let resumed = stopped.and_then(|stopped| at(resumes, stopped).or(switched));
        let last = if switched.is_some() { Phase::Postcopy } else { Phase::Completion };

        let mut spans = Vec::new();
        let mut from = self.began_t_ms;
        let borders = [(Phase::Setup, Some(first_pass)), (Phase::Precopy, stopped.or(Some(end)))];
        let borders = borders.into_iter().chain([
            // A guest that never went on stands still to the end.
            (Phase::Switchover, stopped.map(|_| resumed.unwrap_or(end))),
            (last, stopped.map(|_| end)),
        ]);
        for (phase, to) in borders {
            let Some(to) = to.map(|to| to.clamp(from, end)) else { continue };
            if to > from {
                spans.push(Span { phase, from_t_ms: from, to_t_ms: to });
                from = to;
            }
        }
        spans
    }
}
