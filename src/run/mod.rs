//! One scenario on one fleet: prepare, load, move out and prove, move back and prove, unload.
//!
//! Everything that is found goes to the record as it happens; what it all came to is the [`Outcome`].

mod evidence;
mod journal;
mod prove;

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Instant, SystemTime};

use crate::check::{live, probe};
use crate::failure::{Done, Failure};
use crate::guest::{Fleet, Guest, agent};
use crate::load::GuestLoads;
use crate::migration::order::{self, Leg, Step};
use crate::migration::{LegReport, Move, migrate};
use crate::outcome::{Outcome, Verdict};
use crate::parallel::at_once;
use crate::report::Record;
use crate::scenario::{AllowedLine, Mode, Order, Scenario, Workload, guest_load_command};
use evidence::Evidence;
use journal::Journal;
use prove::Prover;

/// What a run of a scenario needs beside the fleet.
pub struct Context<'a> {
    pub record: &'a Record,
    pub allowed_lines: &'a [AllowedLine],
    /// Folder of this scenario in the run's folder.
    pub folder: &'a Path,
}

/// Runs one scenario. Whatever happens is in the outcome.
pub fn run(scenario: &Scenario, fleet: &Fleet, context: &Context<'_>) -> Outcome {
    let started = SystemTime::now();
    let begin = Instant::now();
    let name = scenario.name();
    let mut journal = Journal::new(&name, context.record);
    journal.started();
    let evidence = Evidence::begin(fleet);
    let result = Case { scenario, fleet, context }.play(&mut journal);

    let cancelled = fleet.cancel().is_cancelled();
    let mut outcome = Outcome::new(&name, Verdict::Passed, started);
    if let Err(failure) = result {
        outcome.verdict = Verdict::Error;
        outcome.reason = Some(failure.to_string());
    }
    let (findings, numbers) = journal.finish();
    if !findings.is_empty() {
        outcome.verdict = Verdict::Failed;
        // A load that cannot be ended in a guest that is dead is no news beside the finding that it is dead.
        outcome.reason = None;
    }
    if cancelled {
        outcome.verdict = Verdict::Interrupted;
        outcome.reason = Some("the run was interrupted".into());
    }
    let failed = outcome.verdict == Verdict::Failed || outcome.verdict == Verdict::Error;
    match evidence.and_then(|evidence| evidence.collect(fleet, context.folder, failed)) {
        Ok(folder) => outcome.evidence = Some(folder),
        // Not a verdict on the guests, but whoever reads the outcome must know that something is missing.
        Err(failure) => {
            outcome.reason.get_or_insert_with(|| format!("the evidence is incomplete: {failure}"));
        }
    }
    outcome.findings = findings;
    outcome.numbers = numbers;
    outcome.duration = begin.elapsed();
    outcome
}

struct Case<'a> {
    scenario: &'a Scenario,
    fleet: &'a Fleet,
    context: &'a Context<'a>,
}

impl Case<'_> {
    fn play(&self, journal: &mut Journal<'_>) -> Done<()> {
        let fleet = self.fleet;
        let steps =
            order::steps(self.scenario.order, fleet.guests.len(), fleet.profile.rounds).map_err(|why| {
                Failure::new(format!("plan {}", self.scenario.name()), why).try_next("raise MULTIVM_GUESTS")
            })?;
        let mut prover = Prover::begin(fleet, self.context.allowed_lines)?;
        let stream = probe::ProbeStream::start(&fleet.guests, fleet.profile.probe_interval)?;
        let moved = self.start_loads(journal).and_then(|loads| {
            prover.attach(loads)?;
            for (number, step) in steps.iter().enumerate() {
                self.step(number, step, &mut prover, journal);
                // A guest that is not where it should be cannot make its next move.
                if journal.has_findings() || fleet.cancel().is_cancelled() {
                    break;
                }
            }
            prover.stop_loads()
        });
        if !journal.has_findings() {
            prover.at_the_end(journal);
        }
        for summary in stream.stop() {
            journal.probe(&summary);
            journal.prove(Some(&summary.guest), None, probe::check(&summary, fleet.profile.max_gap));
        }
        moved
    }

    /// What every guest runs: the scenario's load, if it is one in guests, and the floor of dirty memory that
    /// post-copy needs.
    fn start_loads(&self, journal: &Journal<'_>) -> Done<Vec<GuestLoads>> {
        let profile = &self.fleet.profile;
        let mut commands = Vec::new();
        if self.scenario.mode == Mode::Postcopy {
            commands.push(agent::dirty(profile.dirty_floor));
        }
        if let Workload::Stress { tool, kind, .. } = self.scenario.workload
            && self.scenario.location.in_guests()
        {
            commands.push(guest_load_command(tool, kind, profile));
        }
        let loads: Done<Vec<GuestLoads>> = at_once("start a load", &self.fleet.guests, |guest| {
            GuestLoads::start(guest, &commands, self.fleet.cancel())
        })
        .into_iter()
        .collect();
        let loads = loads?;
        for started in &loads {
            journal.loads_started(started);
        }
        Ok(loads)
    }

    /// Moves the guests of a step, all at the same time, and proves each of them.
    fn step(&self, number: usize, step: &Step, prover: &mut Prover<'_>, journal: &mut Journal<'_>) {
        for leg in &step.legs {
            journal.leg_started(self.guest(leg), leg, number);
        }
        let reports = self.move_all(step);
        for (leg, report) in step.legs.iter().zip(&reports) {
            let guest = self.guest(leg);
            if report.error.is_none() {
                guest.moved_to(leg.to());
            }
            journal.leg_finished(guest, leg, number, report);
            if report.error.is_none() && self.scenario.mode == Mode::Postcopy {
                journal.prove(Some(&guest.name), Some(leg), live::post_copy(report));
            }
        }
        if step.crosses()
            && let [one, other] = &reports[..]
        {
            journal.prove(None, step.legs.first(), live::overlap(one, other));
        }
        let legs: Vec<(Arc<Guest>, Leg)> =
            step.legs.iter().map(|leg| (Arc::clone(self.guest(leg)), *leg)).collect();
        prover.after_step(&legs, journal);
    }

    fn move_all(&self, step: &Step) -> Vec<LegReport> {
        // Nobody starts before everybody can: "at once" is meant.
        let barrier = Barrier::new(step.legs.len());
        let wait = || {
            barrier.wait();
        };
        at_once("migrate a guest", &step.legs, |leg| {
            Ok(migrate(self.guest(leg), &self.fleet.hosts, &self.plan(leg), wait, self.fleet.cancel()))
        })
        .into_iter()
        .map(|report| {
            report.unwrap_or_else(|failure| LegReport {
                error: Some(failure.to_string()),
                ..LegReport::default()
            })
        })
        .collect()
    }

    fn plan(&self, leg: &Leg) -> Move {
        Move {
            from: leg.from(),
            to: leg.to(),
            mode: self.scenario.mode,
            compressed: self.scenario.order == Order::Compressed,
            first_pass_bandwidth_mib: self.fleet.profile.first_pass_bandwidth.0 >> 20,
            timeout: self.fleet.profile.migration_timeout(self.scenario.mode),
        }
    }

    fn guest(&self, leg: &Leg) -> &Arc<Guest> {
        &self.fleet.guests[leg.guest]
    }
}
