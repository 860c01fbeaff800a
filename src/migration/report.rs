//! Reports of a migration: news while it goes on, and its result.

use std::time::{Duration, Instant};

use super::Connections;
use crate::failure::{Cause, Failure};
use crate::libvirt::{HostEvent, JobStats};

/// The result of one migration.
#[derive(Debug, Clone, Default)]
pub struct LegReport {
    /// Time from libvirt's call to its return.
    pub duration: Duration,
    /// When the call began and returned, which shows overlaps.
    pub began: Option<Instant>,
    pub ended: Option<Instant>,
    /// libvirt's call returned without an error: the guest is on the destination, even if `error` has an objection.
    pub completed: bool,
    /// Why the migration did not succeed.
    pub error: Option<Cause>,
    /// libvirt or QEMU cannot do this on this stack; `error` has their words.
    pub refused: bool,
    /// Time from the call until the guest was suspended on the source before it was across; none without a suspension.
    pub suspended: Option<Duration>,
    /// Time from the call until QEMU reported the switch to post-copy.
    pub switchover: Option<Duration>,
    /// The number of processed bytes at some moments of the migration, in the order of time.
    pub samples: Vec<(Instant, u64)>,
    /// libvirt's statistics of the completed job, from the source.
    pub stats: Option<JobStats>,
    /// The connections from its source, of a migration that should have several.
    pub connections: Option<Connections>,
    /// This guest's events on both hosts during the migration, in the order of arrival.
    pub events: Vec<HostEvent>,
}

impl LegReport {
    /// Whether nobody knows that the migration has ended: libvirt's call has not returned, and nobody waits for it any more.
    pub fn never_ended(&self) -> bool {
        self.began.is_some() && self.ended.is_none()
    }

    /// The report of a migration that never began.
    pub fn not_begun(failure: Failure) -> LegReport {
        LegReport { error: Some(failure.into()), ..LegReport::default() }
    }
}

/// Progress of a running migration, delivered as it happens.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    Event(&'a HostEvent),
    /// Statistics of the source's job.
    Sample(&'a JobStats),
}

/// Callback for progress of the named guest's migration. It runs in the watching thread and must be quick.
pub type OnProgress<'a> = dyn Fn(&str, Progress<'_>) + Sync + 'a;
