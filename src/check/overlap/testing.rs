//! Migrations as tests make them up: called at one moment, with samples and events in ms from there.

use std::time::{Duration, Instant, SystemTime};

use crate::libvirt::{Detail, EventKind, HostEvent, JobStats, LifecycleEvent};
use crate::migration::LegReport;
use crate::plan::Leg;
use crate::scenario::Direction;

/// The beginning of the first pass over the memory.
pub const FIRST_PASS: EventKind = EventKind::MigrationIteration(1);

/// The guest is defined and started on the other host.
pub const UP: EventKind = EventKind::Lifecycle { event: LifecycleEvent::Started, detail: Detail::Migrated };

/// QEMU stops the guest to send its last pages.
pub const STOP: EventKind =
    EventKind::Lifecycle { event: LifecycleEvent::Suspended, detail: Detail::Migrated };

/// The guest runs on the other host, and all is there.
pub const RUNS: EventKind = EventKind::Lifecycle { event: LifecycleEvent::Resumed, detail: Detail::Migrated };

/// QEMU switches to post-copy.
pub const SWITCH: EventKind =
    EventKind::Lifecycle { event: LifecycleEvent::Suspended, detail: Detail::PostCopy };

/// A migration that was called at `zero`: when it ended, and its samples, in ms; 900 bytes in all.
pub fn leg(
    guest: usize,
    direction: Direction,
    zero: Instant,
    ended: u64,
    samples: &[(u64, u64)],
) -> (Leg, LegReport) {
    let at = |ms: u64| zero + Duration::from_millis(ms);
    let report = LegReport {
        began: Some(zero),
        ended: Some(at(ended)),
        samples: samples.iter().map(|(ms, bytes)| (at(*ms), *bytes)).collect(),
        stats: Some(JobStats { data_processed_bytes: Some(900), ..JobStats::default() }),
        ..LegReport::default()
    };
    (Leg { guest, direction, round: 1 }, report)
}

/// Gives a migration these events, in ms from its call.
pub fn hearing((leg, report): (Leg, LegReport), events: &[(u64, EventKind)]) -> (Leg, LegReport) {
    let zero = report.began.unwrap_or_else(Instant::now);
    let event = |(ms, kind): &(u64, EventKind)| HostEvent {
        host: "source".into(),
        domain: "vm1".into(),
        at: zero + Duration::from_millis(*ms),
        wall: SystemTime::now(),
        kind: kind.clone(),
    };
    (leg, LegReport { events: events.iter().map(event).collect(), ..report })
}

/// Gives a migration the average throughput of one that sent for that long, in ms.
pub fn sending_for((leg, report): (Leg, LegReport), ms: u64) -> (Leg, LegReport) {
    let stats = report.stats.unwrap_or_default();
    let per_second = Some(1_000_000_000 / ms);
    let stats = Some(JobStats { memory_processed_bytes: Some(1_000_000), memory_bps: per_second, ..stats });
    (leg, LegReport { stats, ..report })
}
