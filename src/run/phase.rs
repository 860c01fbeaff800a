//! Where the time of a scenario goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

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

impl Phase {
    const ALL: [Phase; 5] =
        [Phase::Preparing, Phase::Loading, Phase::Migrating, Phase::Proving, Phase::Collecting];

    fn name(self) -> &'static str {
        match self {
            Phase::Preparing => "preparing",
            Phase::Loading => "loading",
            Phase::Migrating => "migrating",
            Phase::Proving => "proving",
            Phase::Collecting => "collecting",
        }
    }
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

    /// Seconds of every phase, by a name with its unit.
    pub fn numbers(mut self) -> BTreeMap<String, String> {
        self.enter(self.now);
        let seconds = |phase| self.sums.get(&phase).copied().unwrap_or_default().as_secs_f64();
        Phase::ALL
            .iter()
            .map(|phase| (format!("{}_s", phase.name()), format!("{:.3}", seconds(*phase))))
            .collect()
    }
}
