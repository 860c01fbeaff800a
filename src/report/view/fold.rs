//! One pass over the events of a record.

use std::mem;
use std::time::SystemTime;

use super::{
    CheckView, Fixture, GapView, LegEvent, LegView, LoadView, ProbeView, RepairView, RunView, Sample,
    ScenarioView,
};
use crate::record::{Envelope, Event, Fold, Part, Stats};

/// What is known so far.
#[derive(Default)]
pub(super) struct Views {
    fold: Fold<ScenarioView>,
    started: Option<SystemTime>,
    finished: bool,
    parts: Vec<Part>,
    fixtures: Vec<Fixture>,
    repairs: Vec<RepairView>,
    /// Repairs since the last scenario.
    before: Vec<RepairView>,
}

impl Views {
    pub(super) fn take(&mut self, envelope: &Envelope, event: Event) {
        let t_ms = envelope.t_ms as f64;
        let scenario = self.fold.take(envelope, &event);
        match event {
            Event::RunStarted(_) => self.started = Some(envelope.at),
            Event::FixtureReady { name, duration_s, facts } => {
                self.fixtures.push(Fixture { name, duration_s, facts });
            }
            Event::Repair { what, why } => {
                let repair = RepairView { t_ms, what, why };
                self.before.push(repair.clone());
                self.repairs.push(repair);
            }
            Event::PartStarted(part) => self.parts.push(part),
            Event::RunFinished { .. } => self.finished = true,
            Event::ScenarioStarted { .. } => {
                if let Some(scenario) = scenario {
                    scenario.repairs = mem::take(&mut self.before);
                }
            }
            event => {
                if let Some(scenario) = scenario {
                    happened(scenario, t_ms, event);
                }
            }
        }
    }

    /// The run, as far as the events show it.
    pub(super) fn finish(self) -> Option<RunView> {
        let last = self.fold.last;
        let scenarios = self.fold.plays.into_iter().map(|mut play| {
            let outcome = play.outcome(last.as_ref());
            ScenarioView {
                outcome,
                ended: play.ended(),
                occurrence: play.occurrence,
                began_t_ms: play.began.take().map(|began| began.t_ms as f64),
                plays: play.times,
                ..play.details
            }
        });
        Some(RunView {
            header: self.fold.header?,
            started: self.started?,
            duration_s: last.as_ref().map_or(0.0, |last| last.t_ms as f64 / 1e3),
            finished: self.finished,
            parts: self.parts,
            fixtures: self.fixtures,
            repairs: self.repairs,
            scenarios: scenarios.collect(),
        })
    }
}

/// Adds what happened in a scenario.
fn happened(scenario: &mut ScenarioView, t_ms: f64, event: Event) {
    match event {
        Event::LoadStarted { guest, host, command, basis, .. } => {
            scenario.loads.push(LoadView { t_ms, guest, host, command, basis });
        }
        Event::LegStarted { guest, round, direction, step, .. } => scenario.legs.push(LegView {
            guest,
            round,
            direction,
            step,
            began_t_ms: t_ms,
            ended_t_ms: None,
            ok: None,
            error: None,
            switchover_s: None,
            completed: None,
            stats: Stats::default(),
            clocks: None,
            samples: Vec::new(),
            events: Vec::new(),
        }),
        Event::LibvirtEvent { host, guest, what } => {
            let leg = guest.as_ref().and_then(|guest| under_way(scenario, guest));
            let event = LegEvent { t_ms, host, guest, what };
            match leg {
                Some(leg) => leg.events.push(event),
                None => scenario.events.push(event),
            }
        }
        Event::JobSample { guest, stats } => {
            if let Some(leg) = under_way(scenario, &guest) {
                leg.sampled(t_ms, &stats);
            }
        }
        Event::LegFinished {
            guest,
            round,
            direction,
            step,
            ok,
            error,
            began_t_ms,
            duration_s,
            stats,
            switchover_s,
            ..
        } => {
            let same = |leg: &&mut LegView| {
                leg.guest == guest && (leg.round, leg.direction, leg.step) == (round, direction, step)
            };
            if let Some(leg) = scenario.legs.iter_mut().rev().find(same) {
                leg.ok = Some(ok);
                leg.error = error;
                leg.switchover_s = switchover_s;
                leg.completed = (!stats.is_empty()).then(|| Sample::new(t_ms, &stats));
                leg.began_t_ms = began_t_ms.unwrap_or(leg.began_t_ms);
                leg.ended_t_ms = Some(leg.began_t_ms + duration_s * 1e3);
            }
        }
        Event::Downtime { guest, round, direction, step, clocks, .. } => {
            let same = |leg: &&mut LegView| {
                leg.guest == guest && (leg.round, leg.direction, leg.step) == (round, direction, step)
            };
            if let Some(leg) = scenario.legs.iter_mut().rev().find(same) {
                leg.clocks = Some(clocks);
            }
        }
        Event::GuestSpeed { guest, samples, .. } => {
            scenario
                .speeds
                .entry(guest)
                .or_default()
                .extend(samples.into_iter().map(|(at, speed)| (at as f64, speed as f64)));
        }
        Event::HostCpu { host, busy_cpus, .. } => {
            scenario.cpu.entry(host).or_default().push((t_ms, busy_cpus));
        }
        Event::Check { guest, round, direction, check, ok, expected, seen, .. } => {
            scenario.checks.push(CheckView { t_ms, guest, round, direction, check, ok, expected, seen });
        }
        Event::ProbeSummary { guest, sent, received, longest_gap_ms, gaps } => {
            scenario.gaps.extend(gaps.into_iter().map(|(from_t_ms, length_ms)| GapView {
                guest: guest.clone(),
                from_t_ms,
                length_ms,
            }));
            scenario.probes.push(ProbeView { guest, sent, received, longest_gap_ms });
        }
        _ => {}
    }
}

/// The migration of a guest that began and is not over.
fn under_way<'a>(scenario: &'a mut ScenarioView, guest: &str) -> Option<&'a mut LegView> {
    scenario.legs.iter_mut().rev().find(|leg| leg.guest == guest && leg.ok.is_none())
}
