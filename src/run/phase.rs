//! Where the time of a scenario goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::record::Numbers;

/// What a scenario is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Looking at everything as it is before the first move.
    Preparing,
    /// Starting and stopping loads, and booting guests where that is the load.
    Loading,
    /// At least one migration is under way.
    Migrating,
    Proving,
    /// Writing down logs.
    Collecting,
}

/// Adds up how long each phase took. There is always exactly one.
#[derive(Debug)]
pub struct Stopwatch {
    now: Phase,
    since: Instant,
    sums: BTreeMap<Phase, Duration>,
}

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch { now: Phase::Preparing, since: Instant::now(), sums: BTreeMap::new() }
    }

    /// Begins a phase and ends the one before.
    pub fn enter(&mut self, phase: Phase) {
        let now = Instant::now();
        *self.sums.entry(self.now).or_default() += now - self.since;
        self.now = phase;
        self.since = now;
    }

    /// Ends the last phase, and notes the seconds of every phase.
    pub fn finish(mut self, numbers: &mut Numbers) {
        self.enter(self.now);
        let seconds = |phase| Numbers::seconds(self.sums.get(&phase).copied().unwrap_or_default());
        numbers.preparing_s = seconds(Phase::Preparing);
        numbers.loading_s = seconds(Phase::Loading);
        numbers.migrating_s = seconds(Phase::Migrating);
        numbers.proving_s = seconds(Phase::Proving);
        numbers.collecting_s = seconds(Phase::Collecting);
    }
}
