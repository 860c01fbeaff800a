//! One scenario on one fleet: prepare, load, move out and prove, move back and prove, unload.
//!
//! Everything that is found goes to the record as it happens; what it all came to is the [`Outcome`].

mod burden;
mod evidence;
mod floor;
mod fresh;
mod journal;
mod moves;
mod phase;
mod prove;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::check::copies::{self, CopyWatch};
use crate::check::{budget, live, probe};
use crate::failure::Done;
use crate::guest::{Fleet, Guest};
use crate::migration::order::{Leg, Step};
use crate::outcome::{Outcome, Verdict};
use crate::report::Record;
use crate::scenario::{AllowedLine, AtTimeout, Budget, Mode, Order, Scenario};
use burden::Burden;
use evidence::Evidence;
pub use floor::floor;
use fresh::Fresh;
use journal::Journal;
use phase::Phase;
use prove::Prover;

/// What a run of a scenario needs beside the fleet.
pub struct Context<'a> {
    pub record: &'a Record,
    pub allowed_lines: &'a [AllowedLine],
    /// What its migrations may take.
    pub budget: &'a Budget,
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

/// A guest that has moved and is still to be proved, and its move.
type Arrived = (Arc<Guest>, Option<Leg>);

struct Case<'a> {
    scenario: &'a Scenario,
    fleet: &'a Fleet,
    context: &'a Context<'a>,
}

impl Case<'_> {
    fn play(&self, journal: &mut Journal<'_>) -> Done<()> {
        let fleet = self.fleet;
        let steps = moves::steps(self.scenario, fleet)?;
        let mut prover = Prover::begin(fleet, self.scenario.mode, self.context.allowed_lines, journal)?;
        let stream = probe::ProbeStream::start(&fleet.guests, fleet.profile.probe_interval)?;
        let watch = CopyWatch::start(&fleet.hosts)?;
        let mut arrived = Vec::new();
        let moved = self.move_all_under_load(&steps, &mut arrived, &mut prover, journal);
        journal.enter(Phase::Proving);
        prover.at_the_end(&arrived, journal);
        match stream.stop() {
            Ok(summaries) => {
                for summary in summaries {
                    journal.probe(&summary);
                    journal.prove(Some(&summary.guest), None, probe::check(&summary, self.longest_gap()));
                }
            }
            Err(failure) => journal.prove(None, None, probe::unknown(&failure.to_string())),
        }
        for (guest, proof) in copies::check(&watch.stop(), fleet.profile.max_gap) {
            journal.prove(guest.as_deref(), None, proof);
        }
        // Guests stand still for this: after everything that would notice, and not after findings, which may be that
        // a guest is not where it is looked for.
        if moved.is_ok() && !journal.has_damage() {
            prover.images(journal);
        }
        moved
    }

    /// Leaves in `arrived` who came with the last step, and is still to be proved.
    fn move_all_under_load(
        &self,
        steps: &[Step],
        arrived: &mut Vec<Arrived>,
        prover: &mut Prover<'_>,
        journal: &mut Journal<'_>,
    ) -> Done<()> {
        journal.enter(Phase::Loading);
        let mut burden = Burden::start(self.scenario, self.fleet, prover.hosts())?;
        burden.loads().iter().for_each(|loads| journal.loads_started(loads));
        for (number, step) in steps.iter().enumerate() {
            self.step(number, step, arrived, &mut burden, prover, journal)?;
            // A guest that is not where it should be cannot make its next move.
            if journal.has_damage() || journal.refusal().is_some() || self.fleet.cancel().is_cancelled() {
                break;
            }
        }
        if !self.fleet.cancel().is_cancelled() {
            journal.enter(Phase::Proving);
            burden.prove_at_the_end(journal);
        }
        journal.enter(Phase::Loading);
        burden.stop()
    }

    /// Moves the guests of a step, all at the same time. What came with the step before is proved now: before this step
    /// begins if it moves on at once, else beside this step's moves.
    fn step(
        &self,
        number: usize,
        step: &Step,
        arrived: &mut Vec<Arrived>,
        burden: &mut Burden<'_>,
        prover: &mut Prover<'_>,
        journal: &mut Journal<'_>,
    ) -> Done<()> {
        let legs: Vec<(Arc<Guest>, Leg)> =
            step.legs.iter().map(|leg| (Arc::clone(&self.fleet.guests[leg.guest]), *leg)).collect();
        let (due, resting): (Vec<Arrived>, Vec<Arrived>) = std::mem::take(arrived)
            .into_iter()
            .partition(|(came, _)| legs.iter().any(|(goes, _)| goes.name == came.name));
        journal.enter(Phase::Proving);
        prover.judge(prove::look_into(self.fleet, &due), journal);
        if journal.has_damage() {
            *arrived = resting;
            return Ok(());
        }
        let fresh = if moves::boots_itself(self.scenario) {
            journal.enter(Phase::Loading);
            Some(Fresh::start(self.fleet, &legs)?)
        } else {
            None
        };
        for (guest, leg) in &legs {
            journal.leg_started(guest, leg, number);
        }
        journal.enter(Phase::Migrating);
        let (reports, beside) = moves::play(self.scenario, self.fleet, step, |over| {
            (prove::look_into(self.fleet, &resting), burden.watch(over))
        });
        journal.enter(Phase::Proving);
        let during = match beside {
            Ok((looks, during)) => {
                prover.judge(looks, journal);
                Ok(during)
            }
            Err(failure) => {
                for (guest, leg) in &resting {
                    journal.prove(Some(&guest.name), leg.as_ref(), prove::unreachable(&failure.to_string()));
                }
                Err(failure)
            }
        };
        for (leg, report) in &reports {
            let guest = &self.fleet.guests[leg.guest];
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
            if let Some(limit) = &self.context.budget.total {
                journal.prove(Some(&guest.name), Some(leg), budget::total(limit, report.duration));
            }
            if self.scenario.order == Order::Compressed {
                journal.prove(Some(&guest.name), Some(leg), live::compressed(report));
            }
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
        prover.after_step(&legs, journal);
        burden.prove(during, &reports, journal);
        arrived.extend(legs.into_iter().map(|(guest, leg)| (guest, Some(leg))));
        Ok(())
    }

    /// Proves a guest's downtime in one migration, milliseconds as it is reported, against the scenario's budget. To be
    /// called where [`crate::report::Event::Downtime`] is written.
    #[expect(dead_code, reason = "downtimes are not computed yet; whoever does calls this")]
    fn prove_downtime(&self, guest: &Guest, leg: &Leg, reported_ms: f64, journal: &mut Journal<'_>) {
        if let Some(limit) = &self.context.budget.downtime {
            journal.prove(Some(&guest.name), Some(leg), budget::downtime(limit, reported_ms));
        }
    }

    /// How long a guest's network may be silent: also for a boot, where the scenario boots it.
    fn longest_gap(&self) -> Duration {
        let profile = &self.fleet.profile;
        if moves::boots_itself(self.scenario) {
            profile.max_gap + profile.boot_timeout
        } else {
            profile.max_gap
        }
    }
}
