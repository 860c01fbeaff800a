//! One migration of one guest, as far as its events and statistics tell.

use serde_json::Value;

use crate::scenario::Direction;

/// How far a migration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPhase {
    /// libvirt was called; no memory is sent yet.
    Setup,
    /// Memory is sent while the guest runs on where it was.
    PreCopy,
    /// The guest stands still because somebody suspended it.
    Suspended,
    /// The guest runs where it goes to, and the rest of its memory is sent after it.
    PostCopy,
    /// Control goes over, or has gone over; libvirt finishes.
    Handover,
    /// libvirt has finished. Of the moves of one step the record tells the ends when all of them are over.
    Completed,
}

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
    pub phase: MigrationPhase,
    /// The pass over the memory, from 1.
    pub pass: Option<u64>,
    pub memory_total: Option<u64>,
    pub memory_remaining: Option<u64>,
    pub bandwidth: Option<u64>,
    pub dirty_rate: Option<u64>,
    pub throttle_percent: Option<u64>,
    pub postcopy_requests: Option<u64>,
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
            phase: MigrationPhase::Setup,
            pass: None,
            memory_total: None,
            memory_remaining: None,
            bandwidth: None,
            dirty_rate: None,
            throttle_percent: None,
            postcopy_requests: None,
            end: None,
        }
    }

    /// How much of the memory is across, from 0 to 1; none while libvirt gives no numbers. It goes down when a new pass
    /// over the memory begins, since the guest has dirtied pages meanwhile.
    pub fn fraction(&self) -> Option<f64> {
        if self.phase == MigrationPhase::Completed {
            return Some(1.0);
        }
        let total = self.memory_total.filter(|total| *total > 0)? as f64;
        Some((1.0 - self.memory_remaining? as f64 / total).clamp(0.0, 1.0))
    }

    /// Takes in libvirt's words, as the record has them: `iteration 2`, `suspended (post-copy)`. Older records write
    /// `+0.681 s: iteration 2`.
    pub(super) fn told(&mut self, t_ms: f64, detail: &str) {
        let words = match detail.strip_prefix('+').and_then(|rest| rest.split_once(": ")) {
            Some((_, words)) => words,
            None => detail,
        };
        match words {
            "suspended (post-copy)" => self.phase = MigrationPhase::PostCopy,
            "suspended (paused)" => self.phase = MigrationPhase::Suspended,
            "resumed (unpaused)" if self.phase == MigrationPhase::Suspended => {
                self.phase = MigrationPhase::PreCopy;
            }
            "suspended (migrated)" | "resumed (migrated)" if self.completed_ms.is_none() => {
                self.phase = MigrationPhase::Handover;
            }
            "job completed" => {
                self.phase = MigrationPhase::Completed;
                self.completed_ms = Some(t_ms);
            }
            _ => {
                if let Some(pass) = words.strip_prefix("iteration ").and_then(|pass| pass.parse().ok()) {
                    self.pass = self.pass.max(Some(pass));
                    self.memory_is_sent();
                }
            }
        }
    }

    /// Takes in libvirt's job statistics.
    pub(super) fn sampled(&mut self, stats: &Value) {
        let number = |name: &str| stats.get(name).and_then(Value::as_u64);
        // Before the first pass libvirt gives a total of 0.
        let Some(total) = number("memory_total_bytes").filter(|total| *total > 0) else { return };
        self.memory_is_sent();
        self.memory_total = Some(total);
        self.memory_remaining = number("memory_remaining_bytes");
        self.bandwidth = number("memory_bps");
        self.pass = self.pass.max(number("memory_iteration").filter(|pass| *pass > 0));
        let page = number("memory_page_size_bytes").unwrap_or(4096);
        self.dirty_rate =
            number("memory_dirty_rate_pages_per_s").filter(|pages| *pages > 0).map(|pages| pages * page);
        self.throttle_percent = number("auto_converge_throttle_percent").filter(|percent| *percent > 0);
        self.postcopy_requests = number("memory_postcopy_requests").filter(|requests| *requests > 0);
    }

    fn memory_is_sent(&mut self) {
        if self.phase == MigrationPhase::Setup {
            self.phase = MigrationPhase::PreCopy;
        }
    }

    pub(super) fn finish(&mut self, ok: bool, error: Option<String>, seconds: f64, stats: &Value) {
        let downtime_ms = stats.get("downtime_ms").and_then(Value::as_f64);
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
