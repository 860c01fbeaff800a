//! What a look at loads sees of them.

use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::scenario::Bytes;

/// A load at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The number of its processes that live, and of those that a signal has stopped.
    pub alive: usize,
    pub stopped: usize,
    /// The CPU time of all its processes, including ended ones, in clock ticks (1/100 s).
    pub ticks: u64,
    pub resident: Bytes,
    /// The bytes that all its processes sent to disks, including ended ones; none where the kernel does not count.
    pub written: Option<Bytes>,
    /// The moments of the question and of the answer.
    pub asked: Instant,
    pub at: Instant,
    /// How long this process had been halted until then, and perhaps the load with it.
    pub halted: Duration,
}

impl Sample {
    /// How long both this process and the load can have run since an earlier look.
    pub fn ran_since(&self, earlier: &Sample) -> Duration {
        let time = self.asked.saturating_duration_since(earlier.at);
        time.saturating_sub(self.halted.saturating_sub(earlier.halted))
    }
}

/// One look at all loads of a machine.
#[derive(Debug, Clone)]
pub struct LoadLook {
    /// The moments of the question and of the answer.
    pub asked: Instant,
    pub at: Instant,
    /// The samples in the order of the loads.
    pub samples: Result<Vec<Sample>>,
}
