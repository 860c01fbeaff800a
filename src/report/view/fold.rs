//! Gathers the data of the scenarios' pages in one pass over the events of a record.

use std::mem;

use super::{
    CheckView, FixtureView, LegView, LoadView, PlayDetails, ProbeView, RepairView, RunView, ScenarioView,
};
use crate::record::{Envelope, Event, Finding, Fold, RecordedLeg, titled};

/// The views so far.
#[derive(Default)]
pub(super) struct Views {
    fold: Fold<PlayDetails>,
    fixtures: Vec<FixtureView>,
    repairs: Vec<RepairView>,
    /// Repairs since the last scenario.
    before: Vec<RepairView>,
}

impl Views {
    pub(super) fn take(&mut self, envelope: &Envelope, event: Event) {
        let t_ms = envelope.t_ms as f64;
        let scenario = self.fold.take(envelope, &event);
        match (event, scenario) {
            (Event::FixtureReady { name, duration_s, facts }, _) => {
                self.fixtures.push(FixtureView { name, duration_s, facts });
            }
            (Event::Repair { what, why, .. }, _) => {
                let repair = RepairView { t_ms, what, why };
                self.before.push(repair.clone());
                self.repairs.push(repair);
            }
            (Event::HarnessHalted { from_t_ms, duration_s }, scenario) => {
                let what = format!("multivm itself did not run for {duration_s:.1} s");
                let why = "it was stopped, had no CPU, or its machine was suspended: the time counts as no gap, and deadlines are later by it";
                let halt = RepairView { t_ms: from_t_ms, what, why: why.to_owned() };
                match scenario {
                    Some(scenario) => scenario.repairs.push(halt.clone()),
                    None => self.before.push(halt.clone()),
                }
                self.repairs.push(halt);
            }
            (Event::ScenarioStarted { .. }, Some(scenario)) => {
                scenario.repairs = mem::take(&mut self.before);
            }
            (event, Some(scenario)) => scenario.take(t_ms, event),
            (_, None) => {}
        }
    }

    /// The view of the run, by its events so far.
    pub(super) fn finish(self) -> Option<RunView> {
        let (outcomes, ended_ms) = (self.fold.outcomes(), self.fold.t_ms());
        let plays = self.fold.plays.into_iter().zip(titled(&outcomes));
        let scenarios =
            plays.map(|(play, (title, outcome))| ScenarioView { title, outcome: outcome.clone(), play });
        Some(RunView {
            duration_s: ended_ms / 1e3,
            started: self.fold.began?.at,
            header: self.fold.header,
            finished: self.fold.end.is_some(),
            lost: self.fold.lost,
            parts: self.fold.parts,
            fixtures: self.fixtures,
            repairs: self.repairs,
            scenarios: scenarios.collect(),
        })
    }
}

impl PlayDetails {
    /// Takes an event of the play.
    fn take(&mut self, t_ms: f64, event: Event) {
        if self.legs.iter_mut().rev().any(|leg| leg.take(t_ms, &event)) {
            return;
        }
        self.legs.extend(RecordedLeg::begin(t_ms, &event).map(LegView::new));
        match event {
            Event::LoadStarted { guest, host, command, basis, .. } => {
                self.loads.push(LoadView { t_ms, guest, host, command, basis });
            }
            Event::GuestSpeed { guest, samples } => {
                let samples = samples.into_iter().map(|(at, speed)| (at as f64, speed as f64));
                self.speeds.entry(guest).or_default().extend(samples);
            }
            Event::BusyCpus { hosts } => {
                for (host, busy_cpus) in hosts {
                    self.cpu.entry(host).or_default().push((t_ms, busy_cpus));
                }
            }
            Event::ChecksHeld { guest, held, .. } => {
                let view = |(check, seen)| CheckView {
                    t_ms,
                    guest: guest.clone(),
                    check,
                    ok: true,
                    expected: None,
                    seen,
                };
                self.checks.extend(held.into_iter().map(view));
            }
            Event::CheckFailed(Finding { guest, check, expected, seen, .. }) => {
                let (ok, expected) = (false, Some(expected));
                self.checks.push(CheckView { t_ms, guest, check, ok, expected, seen });
            }
            Event::ProbeSummary { guest, sent, received, longest_gap_ms, gaps } => {
                let told = gaps.iter().map(|(_, length_ms)| *length_ms);
                let longest_gap_ms = longest_gap_ms.into_iter().chain(told).reduce(f64::max);
                self.probes.push(ProbeView { guest, sent, received, longest_gap_ms, gaps });
            }
            _ => {}
        }
    }
}
