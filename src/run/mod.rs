//! One scenario on one fleet: prepare, load, move out and prove, move back and prove, unload.
//!
//! Everything that is found goes to the record as it happens; what it all came to is the [`Outcome`].

mod booting_guests;
mod case;
mod cpu;
mod downtime;
mod evidence;
mod floor;
mod guest_clock;
mod journal;
mod lookout;
mod moves;
mod panel;
mod phase;
mod step_log;

use std::path::Path;
use std::time::{Instant, SystemTime};

use crate::guest::Fleet;
use crate::migration::{self, Again, Pace};
use crate::plan::Seed;
use crate::record::Record;
use crate::record::{Outcome, Verdict};
use crate::scenario::{AllowedLine, Budget, Scenario};
use case::Ended;
pub use floor::floor;
use journal::Journal;

/// What a run of a scenario needs beside the fleet.
pub struct Context<'a> {
    pub record: &'a Record,
    pub allowed_lines: &'a [AllowedLine],
    /// What its migrations may take.
    pub budget: &'a Budget,
    /// Folder of this scenario in the run's folder.
    pub folder: &'a Path,
    /// How fast its migrations send: its mode's business.
    pub pace: Pace,
    /// What its order draws its choices from.
    pub seed: Seed,
}

/// What a run of a scenario came to.
pub struct Played {
    pub outcome: Outcome,
    /// Another play that its mode asks for, because this one came to nothing and nothing else was found.
    pub again: Option<Again>,
}

/// Runs one scenario. Whatever happens is in the outcome.
pub fn run(scenario: &Scenario, fleet: &Fleet, context: &Context<'_>) -> Played {
    let started = SystemTime::now();
    let begin = Instant::now();
    let name = scenario.name();
    let mut journal = Journal::new(&name, context.record);
    journal.started();
    if let Some(words) = moves::refusal(scenario, fleet) {
        let mut outcome = Outcome::new(&name, Verdict::Ignored, started);
        outcome.reason = Some(words);
        return Played { outcome, again: None };
    }
    let Ended { result, logs, legs } = case::play(scenario, fleet, context, &mut journal);
    let mut outcome = Outcome::new(&name, Verdict::Passed, started);
    if let Err(failure) = result {
        outcome.verdict = Verdict::Error;
        outcome.reason = Some(failure.to_string());
    }
    if journal.has_findings() {
        outcome.verdict = Verdict::Failed;
        // A load that cannot be ended in a guest that is dead is no news beside the finding that it is dead.
        outcome.reason = None;
    } else if let Some(words) = journal.refusal() {
        outcome.verdict = Verdict::Ignored;
        outcome.reason = Some(format!("this stack refuses it: {words}"));
    }
    if fleet.stop_flag().is_set() {
        outcome.verdict = Verdict::Interrupted;
        outcome.reason = Some("the run was interrupted".into());
    }
    match logs {
        Ok(folder) => outcome.evidence = Some(folder),
        // Not a verdict on the guests, but whoever reads the outcome must know that something is missing.
        Err(failure) => {
            outcome.reason.get_or_insert_with(|| format!("the evidence is incomplete: {failure}"));
        }
    }
    (outcome.findings, outcome.numbers) = journal.finish();
    outcome.duration = begin.elapsed();
    let again = migration::again(scenario.mode, context.pace, &legs)
        .filter(|again| outcome.verdict == Verdict::Failed && again.explains == outcome.findings.len());
    Played { outcome, again }
}
