//! One pass over the events of a record.

use std::collections::HashMap;
use std::mem;

use super::{
    CheckView, Fixture, GapView, LegEvent, LegView, LoadView, ProbeView, RepairView, RunView, Sample,
    ScenarioView,
};
use crate::record::{Envelope, Event, Outcome, Stats, Unfinished, Verdict};

/// What is known so far.
#[derive(Default)]
pub(super) struct Fold {
    run: Option<RunView>,
    /// Where in the run's scenarios the last of each name is.
    places: HashMap<String, usize>,
    /// The scenario that began last.
    current: Option<usize>,
    /// Scenarios without a result, by their place.
    unfinished: HashMap<usize, Unfinished>,
    /// Repairs since the last scenario.
    repairs: Vec<RepairView>,
    last: Option<Envelope>,
}

impl Fold {
    pub(super) fn take(&mut self, envelope: &Envelope, event: Event) {
        self.last = Some(envelope.clone());
        if let Some(unfinished) = self.current.and_then(|place| self.unfinished.get_mut(&place)) {
            unfinished.note(&event);
        }
        let t_ms = envelope.t_ms as f64;
        match event {
            Event::RunStarted(header) => {
                self.run = Some(RunView {
                    header,
                    started: envelope.at,
                    duration_s: 0.0,
                    finished: false,
                    parts: Vec::new(),
                    fixtures: Vec::new(),
                    repairs: Vec::new(),
                    scenarios: Vec::new(),
                });
            }
            Event::FixtureReady { name, duration_s, facts } => {
                if let Some(run) = &mut self.run {
                    run.header.stack.extend(facts.clone());
                    run.fixtures.push(Fixture { name, duration_s, facts });
                }
            }
            Event::Repair { what, why } => {
                let repair = RepairView { t_ms, what, why };
                self.repairs.push(repair.clone());
                if let Some(run) = &mut self.run {
                    run.repairs.push(repair);
                }
            }
            Event::RunFinished { .. } => {
                if let Some(run) = &mut self.run {
                    run.finished = true;
                }
            }
            Event::ScenarioStarted { scenario } => self.started(scenario, envelope),
            Event::ScenarioFinished(outcome) => self.finished(outcome),
            Event::PartStarted(part) => {
                if let Some(run) = &mut self.run {
                    run.parts.push(part);
                }
                self.current = None;
            }
            Event::Unknown => {}
            event => {
                let scenarios = self.run.as_mut().map(|run| &mut run.scenarios);
                let scenario = self.current.zip(scenarios).and_then(|(place, all)| all.get_mut(place));
                if let Some(scenario) = scenario {
                    happened(scenario, t_ms, event);
                }
            }
        }
    }

    /// The run, as far as the events told of it.
    pub(super) fn finish(self) -> Option<RunView> {
        let mut run = self.run?;
        for (place, unfinished) in self.unfinished {
            run.scenarios[place].outcome = unfinished.without_result(self.last.as_ref());
        }
        if let Some(last) = self.last {
            run.duration_s = last.t_ms as f64 / 1e3;
        }
        Some(run)
    }

    fn started(&mut self, name: String, envelope: &Envelope) {
        let repairs = mem::take(&mut self.repairs);
        // One without a result is played again, and counts once. One with a result is another part's.
        let place = self.places.get(&name).copied().filter(|place| self.unfinished.contains_key(place));
        let place = place.unwrap_or_else(|| self.another(&name));
        let Some(run) = &mut self.run else { return };
        let mut scenario = ScenarioView::new(Outcome::new(name.clone(), Verdict::Error, envelope.at));
        scenario.began_t_ms = Some(envelope.t_ms as f64);
        scenario.plays = 1;
        scenario.repairs = repairs;
        if let Some(before) = run.scenarios.get_mut(place) {
            scenario.plays += before.plays;
            scenario.occurrence = before.occurrence;
            *before = scenario;
        }
        self.current = Some(place);
        self.unfinished.insert(place, Unfinished::new(name, envelope.clone()));
    }

    /// The place of one more scenario of that name.
    fn another(&mut self, name: &str) -> usize {
        let Some(run) = &mut self.run else { return 0 };
        let place = run.scenarios.len();
        let mut scenario = ScenarioView::new(Outcome::new(name, Verdict::Error, run.started));
        if let Some(before) = self.places.insert(name.to_owned(), place) {
            scenario.occurrence = run.scenarios[before].occurrence + 1;
        }
        run.scenarios.push(scenario);
        place
    }

    fn finished(&mut self, outcome: Outcome) {
        let place = self.places.get(&outcome.scenario).copied();
        let place = place.filter(|place| self.unfinished.remove(place).is_some());
        // Ignored and not run scenarios have a result without a start.
        let place = place.unwrap_or_else(|| self.another(&outcome.scenario));
        if let Some(scenario) = self.run.as_mut().and_then(|run| run.scenarios.get_mut(place)) {
            scenario.outcome = outcome;
            scenario.ended = true;
        }
        if self.current == Some(place) {
            self.current = None;
        }
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
