//! What is told of a migration: while it goes on, and when it is over.

use std::time::{Duration, Instant};

use super::Connections;
use crate::failure::{Cause, Failure};
use crate::libvirt::{Event, JobStats};

/// What became of one migration.
#[derive(Debug, Clone, Default)]
pub struct LegReport {
    /// Time from libvirt's call to its return.
    pub duration: Duration,
    /// When the call was made and when it returned, for overlaps.
    pub began: Option<Instant>,
    pub ended: Option<Instant>,
    /// libvirt's call returned without an error: the guest is on the destination, whatever `error` holds against it.
    pub completed: bool,
    /// Why it did not succeed.
    pub error: Option<Cause>,
    /// libvirt or QEMU cannot do this on this stack; `error` has their words.
    pub refused: bool,
    /// Time from the call until the guest was suspended on the source, if somebody did before it was across.
    pub suspended: Option<Duration>,
    /// Time from the call until QEMU reported the switch to post-copy.
    pub switchover: Option<Duration>,
    /// How many bytes had been processed at some moments of the migration, in the order of time.
    pub samples: Vec<(Instant, u64)>,
    /// libvirt's statistics of the completed job, from the source.
    pub stats: Option<JobStats>,
    /// The connections from its source, if they were counted: of a migration that is to have several.
    pub connections: Option<Connections>,
    /// Events of this guest on both hosts during the migration, in the order of their arrival.
    pub events: Vec<Event>,
}

impl LegReport {
    /// The report of a migration that never began.
    pub fn not_begun(failure: Failure) -> LegReport {
        LegReport { error: Some(failure.into()), ..LegReport::default() }
    }
}

/// What is told of a migration while it goes on.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    Event(&'a Event),
    /// Statistics of the source's job.
    Sample(&'a JobStats),
}

/// Hears the news of the migration of the guest of that name, in the thread that watches it: it should be quick.
pub type Hear<'a> = dyn Fn(&str, News<'_>) + Sync + 'a;
