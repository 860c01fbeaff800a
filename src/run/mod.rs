//! One scenario on one fleet: prepare, load, move out and prove, move back and prove, unload.
//!
//! Everything that is found goes to the record as it happens; what it all came to is the [`Outcome`].

mod burden;
mod cpu;
mod downtime;
mod evidence;
mod floor;
mod fresh;
mod journal;
mod moves;
mod phase;
mod prove;
mod pulse;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::check::{budget, copies, live, overlap, post_copy, reachable, transport};
use crate::failure::Result;
use crate::guest::{Fleet, Guest};
use crate::migration::{self, Again, LegReport, Pace};
use crate::plan::{Leg, Step};
use crate::probe::{ProbeStream, Summary};
use crate::record::Record;
use crate::record::{Outcome, Verdict};
use crate::scenario::{AllowedLine, AtTimeout, Budget, Mode, Scenario};
use burden::Burden;
use downtime::{Between, Seen};
use evidence::Evidence;
pub use floor::floor;
use fresh::Fresh;
use journal::Journal;
use phase::Phase;
use prove::Prover;
use pulse::OwnClock;

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
    let evidence = Evidence::begin(fleet);
    let known = evidence.as_ref().ok();
    let mut account = Account::default();
    let result = Case { scenario, fleet, context, evidence: known }.play(&mut account, &mut journal);

    journal.enter(Phase::Collecting);
    let cancelled = fleet.stop_flag().is_set();
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
    let legs = account.legs.iter().map(|(.., report)| report);
    let again = migration::again(scenario.mode, context.pace, legs)
        .filter(|again| outcome.verdict == Verdict::Failed && again.explains == outcome.findings.len());
    Played { outcome, again }
}

/// A guest that has moved and is still to be proved, and its move.
type Arrived = (Arc<Guest>, Option<Leg>);

/// What has become of the moves so far.
#[derive(Default)]
struct Account {
    /// Who came with the last step, and is still to be proved.
    arrived: Vec<Arrived>,
    /// Every move, with the number of its step.
    legs: Vec<(usize, Leg, LegReport)>,
}

struct Case<'a> {
    scenario: &'a Scenario,
    fleet: &'a Fleet,
    context: &'a Context<'a>,
    /// None where it could not be begun.
    evidence: Option<&'a Evidence>,
}

impl Case<'_> {
    fn play(&self, account: &mut Account, journal: &mut Journal<'_>) -> Result<()> {
        let fleet = self.fleet;
        let steps = moves::steps(self.scenario, fleet)?;
        let mut prover =
            Prover::begin(fleet, self.scenario.mode, self.context.allowed_lines, self.evidence, journal)?;
        let stream = ProbeStream::start(&fleet.guests, fleet.profile.probe_interval)?;
        let watch = copies::watch(&fleet.hosts)?;
        let _cpu = cpu::watch(&fleet.hosts, self.context.record)?;
        let moved = self.move_all_under_load(&steps, account, &mut prover, journal);
        journal.enter(Phase::Proving);
        prover.at_the_end(&account.arrived, journal);
        match stream.stop() {
            Ok(summaries) => {
                for summary in summaries {
                    journal.probe(&summary);
                    journal.prove(Some(&summary.guest), None, reachable::check(&summary, self.longest_gap()));
                    self.downtimes(account, &summary, prover.own_clock(&summary.guest), journal);
                }
            }
            Err(failure) => journal.prove(None, None, reachable::unknown(&failure.to_string())),
        }
        for (guest, proof) in copies::check(&copies::seen(watch), fleet.profile.max_gap) {
            journal.prove(guest.as_deref(), None, proof);
        }
        // Guests stand still for this: after everything that would notice, and not after findings, which may be that
        // a guest is not where it is looked for.
        if moved.is_ok() && !journal.has_damage() {
            prover.images(journal);
        }
        moved
    }

    fn move_all_under_load(
        &self,
        steps: &[Step],
        account: &mut Account,
        prover: &mut Prover<'_>,
        journal: &mut Journal<'_>,
    ) -> Result<()> {
        journal.enter(Phase::Loading);
        let mut burden = Burden::start(self.scenario, self.fleet, prover.hosts())?;
        burden.loads().iter().for_each(|loads| journal.loads_started(loads));
        for (number, step) in steps.iter().enumerate() {
            self.step(number, step, account, &mut burden, prover, journal)?;
            // A guest that is not where it should be cannot make its next move.
            if journal.has_damage() || journal.refusal().is_some() || self.fleet.stop_flag().is_set() {
                break;
            }
        }
        if !self.fleet.stop_flag().is_set() {
            journal.enter(Phase::Proving);
            burden.prove_at_the_end(journal);
        }
        journal.enter(Phase::Loading);
        burden.stop(journal.silent_guests())
    }

    /// Moves the guests of a step, all at the same time. What came with the step before is proved now: before this step
    /// begins if it moves on at once, else beside this step's moves.
    fn step(
        &self,
        number: usize,
        step: &Step,
        account: &mut Account,
        burden: &mut Burden<'_>,
        prover: &mut Prover<'_>,
        journal: &mut Journal<'_>,
    ) -> Result<()> {
        let legs: Vec<(Arc<Guest>, Leg)> =
            step.legs.iter().map(|leg| (Arc::clone(&self.fleet.guests[leg.guest]), *leg)).collect();
        let (due, resting): (Vec<Arrived>, Vec<Arrived>) = std::mem::take(&mut account.arrived)
            .into_iter()
            .partition(|(came, _)| legs.iter().any(|(goes, _)| goes.name == came.name));
        journal.enter(Phase::Proving);
        prover.judge(prove::look_into(self.fleet, &due), journal);
        if journal.has_damage() {
            account.arrived = resting;
            return Ok(());
        }
        let fresh = if moves::boots_itself(self.scenario) {
            journal.enter(Phase::Loading);
            Some(Fresh::start(self.fleet, &legs)?)
        } else {
            None
        };
        for (guest, leg) in &legs {
            journal.leg_started(&guest.name, leg, number);
        }
        journal.enter(Phase::Migrating);
        let (reports, beside) =
            moves::play(self.scenario, self.fleet, step, self.context.pace, &journal.reporter(), |over| {
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
                    journal.prove(Some(&guest.name), leg.as_ref(), reachable::silent(&failure.to_string()));
                }
                Err(failure)
            }
        };
        for (leg, report) in &reports {
            let guest = &self.fleet.guests[leg.guest];
            journal.leg_finished(&guest.name, leg, number, report);
            if report.error.is_some() {
                continue;
            }
            let proof = match self.scenario.mode {
                Mode::Postcopy => post_copy::check(report),
                Mode::Precopy => {
                    live::check(report, self.fleet.profile.at_timeout == AtTimeout::SuspendAllowed)
                }
            };
            journal.prove(Some(&guest.name), Some(leg), proof);
            if let Some(limit) = &self.context.budget.total {
                journal.prove(Some(&guest.name), Some(leg), budget::total(limit, report.duration));
            }
            if let Some(proof) = transport::check(self.scenario.transport, report) {
                journal.prove(Some(&guest.name), Some(leg), proof);
            }
        }
        if step.crosses()
            && let [(leg, one), (_, other)] = &reports[..]
        {
            journal.prove(None, Some(leg), overlap::check(one, other));
        }
        if let Some(fresh) = fresh {
            journal.enter(Phase::Loading);
            fresh.arrive(self.fleet, &reports, prover, journal);
            journal.enter(Phase::Proving);
        }
        prover.after_step(&legs, journal);
        burden.prove(during, &reports, journal);
        account.legs.extend(reports.into_iter().map(|(leg, report)| (number, leg, report)));
        account.arrived.extend(legs.into_iter().map(|(guest, leg)| (guest, Some(leg))));
        Ok(())
    }

    /// Writes how long a guest stood still for each of its moves.
    fn downtimes(
        &self,
        account: &Account,
        probes: &Summary,
        own: Option<&OwnClock>,
        journal: &mut Journal<'_>,
    ) {
        if let Some(own) = own {
            journal.guest_speed(&probes.guest, &own.speeds);
        }
        let probe_interval = self.fleet.profile.probe_interval;
        let of_guest =
            || account.legs.iter().filter(|(_, leg, _)| self.fleet.guests[leg.guest].name == probes.guest);
        let moves: Vec<(Instant, Instant)> =
            of_guest().filter_map(|(_, _, report)| report.began.zip(report.ended)).collect();
        let gaps = own.map(|own| own.gaps.as_slice());
        let everyday = downtime::everyday(&probes.gaps, gaps.unwrap_or_default(), &moves);
        let seen = Seen { probes, probe_interval, gaps, everyday };
        let legs: Vec<&(usize, Leg, LegReport)> =
            of_guest().filter(|(_, _, report)| report.error.is_none()).collect();
        for (index, (step, leg, report)) in legs.iter().enumerate() {
            let last = index.checked_sub(1).and_then(|index| legs.get(index));
            let between = Between {
                last_ended: last.and_then(|(_, _, last)| last.ended),
                next_began: legs.get(index + 1).and_then(|(_, _, next)| next.began),
            };
            let source = &self.fleet.hosts.get(leg.from()).entry.name;
            if let Some(clocks) = downtime::clocks(report, source, &seen, between) {
                if let Some(limit) = &self.context.budget.downtime {
                    let proof = budget::downtime(limit, clocks.reported_ms);
                    journal.prove(Some(&probes.guest), Some(leg), proof);
                }
                journal.downtime(&probes.guest, leg, *step, clocks);
            }
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
