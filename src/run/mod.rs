//! One scenario on one fleet: prepare, load, move out and prove, move back and prove, unload.
//!
//! Everything that is found goes to the record as it happens; what it all came to is the [`Outcome`].

mod burden;
mod evidence;
mod fresh;
mod journal;
mod phase;
mod prove;

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::check::copies::{self, CopyWatch};
use crate::check::{live, probe};
use crate::failure::{Done, Failure};
use crate::guest::{Fleet, Guest};
use crate::migration::order::{self, Leg, Step};
use crate::migration::{LegReport, Move, migrate};
use crate::outcome::{Outcome, Verdict};
use crate::parallel::at_once;
use crate::report::Record;
use crate::scenario::{AllowedLine, AtTimeout, Booting, Mode, Order, Scenario, Workload};
use burden::{Burden, Samples};
use evidence::Evidence;
use fresh::Fresh;
use journal::Journal;
use phase::Phase;
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

    journal.enter(Phase::Collecting);
    let cancelled = fleet.cancel().is_cancelled();
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
    (outcome.findings, outcome.numbers) = journal.finish();
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
        let mut prover = Prover::begin(fleet, self.scenario.mode, self.context.allowed_lines)?;
        let stream = probe::ProbeStream::start(&fleet.guests, fleet.profile.probe_interval)?;
        let watch = CopyWatch::start(&fleet.hosts)?;
        let moved = self.move_all_under_load(&steps, &mut prover, journal);
        journal.enter(Phase::Proving);
        prover.at_the_end(journal);
        for summary in stream.stop() {
            journal.probe(&summary);
            journal.prove(Some(&summary.guest), None, probe::check(&summary, self.longest_gap()));
        }
        for (guest, proof) in copies::check(&watch.stop()) {
            journal.prove(guest.as_deref(), None, proof);
        }
        // Guests stand still for this: after everything that would notice, and not after findings, which may be that
        // a guest is not where it is looked for.
        if moved.is_ok() && !journal.has_findings() {
            prover.images(journal);
        }
        moved
    }

    fn move_all_under_load(
        &self,
        steps: &[Step],
        prover: &mut Prover<'_>,
        journal: &mut Journal<'_>,
    ) -> Done<()> {
        journal.enter(Phase::Loading);
        let mut burden = Burden::start(self.scenario, self.fleet, prover.hosts(), journal)?;
        for (number, step) in steps.iter().enumerate() {
            self.step(number, step, &mut burden, prover, journal)?;
            // A guest that is not where it should be cannot make its next move.
            if journal.has_findings() || journal.refusal().is_some() || self.fleet.cancel().is_cancelled() {
                break;
            }
        }
        journal.enter(Phase::Loading);
        burden.stop()
    }

    /// Moves the guests of a step, all at the same time, and proves each of them.
    fn step(
        &self,
        number: usize,
        step: &Step,
        burden: &mut Burden<'_>,
        prover: &mut Prover<'_>,
        journal: &mut Journal<'_>,
    ) -> Done<()> {
        let legs: Vec<(Arc<Guest>, Leg)> =
            step.legs.iter().map(|leg| (Arc::clone(&self.fleet.guests[leg.guest]), *leg)).collect();
        let fresh = if self.boots_itself() {
            journal.enter(Phase::Loading);
            Some(Fresh::start(self.fleet, &legs)?)
        } else {
            None
        };
        for (guest, leg) in &legs {
            journal.leg_started(guest, leg, number);
        }
        journal.enter(Phase::Migrating);
        let (reports, during) = self.move_all(step, burden);
        journal.enter(Phase::Proving);
        for (leg, report) in &reports {
            let guest = &self.fleet.guests[leg.guest];
            if report.error.is_none() {
                guest.moved_to(leg.to());
            }
            journal.leg_finished(guest, leg, number, report);
            if report.error.is_some() {
                continue;
            }
            let proof = match self.scenario.mode {
                Mode::Postcopy => live::post_copy(report),
                Mode::Precopy => {
                    live::not_suspended(report, self.fleet.profile.at_timeout == AtTimeout::SuspendAllowed)
                }
            };
            journal.prove(Some(&guest.name), Some(leg), proof);
        }
        if step.crosses()
            && let [(leg, one), (_, other)] = &reports[..]
        {
            journal.prove(None, Some(leg), live::overlap(one, other));
        }
        if let Some(fresh) = fresh {
            journal.enter(Phase::Loading);
            fresh.arrive(self.fleet, &reports, prover, journal);
            journal.enter(Phase::Proving);
        }
        let seen = prover.after_step(&legs, journal);
        burden.prove(during, &seen, &reports, journal);
        Ok(())
    }

    /// Moves all at once, and looks at the loads while they move.
    fn move_all(&self, step: &Step, burden: &Burden<'_>) -> (Vec<(Leg, LegReport)>, Vec<Samples>) {
        // Nobody starts before everybody can: "at once" is meant. The look at the loads waits with them.
        let barrier = Barrier::new(step.legs.len() + 1);
        let wait = || {
            barrier.wait();
        };
        thread::scope(|scope| {
            let looking = thread::Builder::new().name("look at the loads".into()).spawn_scoped(scope, || {
                barrier.wait();
                burden.sample()
            });
            let moved = at_once("migrate a guest", &step.legs, |leg| {
                let guest = &self.fleet.guests[leg.guest];
                Ok(migrate(guest, &self.fleet.hosts, &self.plan(leg), wait, self.fleet.cancel()))
            });
            let reports = step
                .legs
                .iter()
                .zip(moved)
                .map(|(leg, report)| {
                    let failed = |failure: Failure| LegReport {
                        error: Some(failure.to_string()),
                        ..LegReport::default()
                    };
                    (*leg, report.unwrap_or_else(failed))
                })
                .collect();
            let during = looking.map(|thread| thread.join().unwrap_or_default()).unwrap_or_default();
            (reports, during)
        })
    }

    fn plan(&self, leg: &Leg) -> Move {
        let profile = &self.fleet.profile;
        Move {
            from: leg.from(),
            to: leg.to(),
            mode: self.scenario.mode,
            compressed: self.scenario.order == Order::Compressed,
            first_pass_bandwidth_mib: self.first_pass_bandwidth_mib(),
            timeout: profile.migration_timeout(self.scenario.mode),
            at_timeout: profile.at_timeout,
        }
    }

    /// A guest that boots has no pattern yet that is rewritten as fast as the first pass sends it; it dirties some tens of
    /// MiB a second on its own, and the first pass must be slower than that for a remainder to be left.
    fn first_pass_bandwidth_mib(&self) -> u64 {
        let mib = self.fleet.profile.first_pass_bandwidth.0 >> 20;
        if self.boots_itself() { (mib / 16).max(1) } else { mib }
    }

    /// Whether the fleet itself boots while it migrates.
    fn boots_itself(&self) -> bool {
        self.scenario.workload == Workload::Boot(Booting::MigratedVms)
    }

    /// How long a guest's network may be silent: also for a boot, where the scenario boots it.
    fn longest_gap(&self) -> Duration {
        let profile = &self.fleet.profile;
        if self.boots_itself() { profile.max_gap + profile.boot_timeout } else { profile.max_gap }
    }
}
