//! One pass over the events of a record: assigns each to the play of a scenario, and finds the result of every play.
//!
//! A scenario that begins again before it has a result is one play, of which the last attempt counts. A scenario that begins
//! again after its result, as in a merged record, is another play.

use std::time::Duration;

use super::lost::add_lost;
use super::{Envelope, Event, Finding, LostLines, Outcome, Part, RunEnd, RunHeader, Verdict, rfc3339_text};

/// A run, as far as its events have come. `D` holds a view's details of each play.
#[derive(Clone, Debug, Default)]
pub struct Fold<D> {
    /// The header, with the facts of all fixtures in its `stack`; empty before the record's beginning.
    pub header: RunHeader,
    /// The record's beginning; none for events without one.
    pub began: Option<Envelope>,
    /// The runs that a merged record is made of.
    pub parts: Vec<Part>,
    /// All plays, in the order of their beginnings.
    pub plays: Vec<Play<D>>,
    current: Option<usize>,
    /// The time of the last line.
    pub last: Option<Envelope>,
    /// The lines that are missing, by the record's own account.
    pub lost: Option<LostLines>,
    /// The run's result; none for a run that was cut off or goes on.
    pub end: Option<RunEnd>,
}

/// One play of a scenario.
#[derive(Clone, Debug)]
pub struct Play<D> {
    pub scenario: String,
    /// The play's beginning; none for a scenario that never began.
    pub began: Option<Envelope>,
    /// The number of attempts.
    pub times: u32,
    /// The play's result in the record.
    result: Option<Outcome>,
    last_event: String,
    pub details: D,
}

impl<D: Default> Fold<D> {
    /// Folds the events of a record.
    pub fn of(events: &[(Envelope, Event)]) -> Fold<D> {
        let mut fold = Fold::default();
        for (envelope, event) in events {
            fold.take(envelope, event);
        }
        fold
    }

    /// Takes the next event, and returns the details of the play that it belongs to.
    pub fn take(&mut self, envelope: &Envelope, event: &Event) -> Option<&mut D> {
        self.last = Some(envelope.clone());
        match event {
            Event::RunStarted(header) => {
                self.header = header.clone();
                self.began = Some(envelope.clone());
            }
            Event::FixtureReady { facts, .. } => self.header.stack.extend(facts.clone()),
            Event::PartStarted(part) => {
                self.parts.push(part.clone());
                self.current = None;
            }
            Event::LinesLost(lost) => add_lost(&mut self.lost, lost),
            Event::RunFinished(end) => self.end = Some(*end),
            Event::ScenarioStarted { scenario } => self.begin(scenario, envelope),
            Event::ScenarioFinished(outcome) => {
                self.finish(outcome);
                return None;
            }
            _ => {}
        }
        let play = self.current.and_then(|place| self.plays.get_mut(place))?;
        play.note(event);
        Some(&mut play.details)
    }

    /// The play that goes on.
    pub fn playing(&self) -> Option<&Play<D>> {
        self.current.and_then(|place| self.plays.get(place))
    }

    /// All results in the record.
    pub fn results(&self) -> impl Iterator<Item = &Outcome> {
        self.plays.iter().filter_map(|play| play.result.as_ref())
    }

    /// The time of the last line, on the clock of `t_ms`.
    pub fn t_ms(&self) -> f64 {
        self.last.as_ref().map_or(0.0, |last| last.t_ms as f64)
    }

    /// The number of results with this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.results().filter(|outcome| outcome.verdict == verdict).count()
    }

    /// The outcomes of all plays. A play without a result has an error that says so.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.plays.iter().map(|play| play.outcome(self.last.as_ref())).collect()
    }

    fn begin(&mut self, name: &str, envelope: &Envelope) {
        let place = self.open(name).unwrap_or_else(|| self.another(name));
        let play = &mut self.plays[place];
        play.began = Some(envelope.clone());
        play.times += 1;
        play.details = D::default();
        self.current = Some(place);
    }

    fn finish(&mut self, outcome: &Outcome) {
        // Ignored and not run scenarios have a result without a start.
        let place = self.open(&outcome.scenario).unwrap_or_else(|| self.another(&outcome.scenario));
        self.plays[place].result = Some(outcome.clone());
        self.current = self.current.filter(|current| *current != place);
    }

    /// The play of that name that has no result yet.
    fn open(&self, name: &str) -> Option<usize> {
        self.plays.iter().rposition(|play| !play.ended() && play.scenario == name)
    }

    fn another(&mut self, name: &str) -> usize {
        self.plays.push(Play {
            scenario: name.to_owned(),
            began: None,
            times: 0,
            result: None,
            last_event: String::new(),
            details: D::default(),
        });
        self.plays.len() - 1
    }
}

impl<D> Play<D> {
    /// The play's beginning on the clock of `t_ms`; 0 for a scenario that never began.
    pub fn began_t_ms(&self) -> f64 {
        self.began.as_ref().map_or(0.0, |began| began.t_ms as f64)
    }

    /// Whether the record has the play's result.
    pub fn ended(&self) -> bool {
        self.result.is_some()
    }

    /// The play's outcome. Without a result in the record, whose last line is `end`, it is an error that says so.
    pub fn outcome(&self, end: Option<&Envelope>) -> Outcome {
        match (&self.result, &self.began) {
            (Some(outcome), _) => outcome.clone(),
            (None, Some(began)) => self.without_result(began, end.unwrap_or(began)),
            (None, None) => Outcome::new(&self.scenario, Verdict::Error, std::time::SystemTime::UNIX_EPOCH),
        }
    }

    fn note(&mut self, event: &Event) {
        self.last_event = match event {
            Event::LegStarted { guest, round, direction, .. }
            | Event::LegFinished { guest, round, direction, .. } => {
                format!("{} of guest {guest}, round {round}, {direction}", event.name())
            }
            _ => event.name().to_owned(),
        };
    }

    fn without_result(&self, began: &Envelope, end: &Envelope) -> Outcome {
        let mut outcome = Outcome::new(&self.scenario, Verdict::Error, began.at);
        outcome.duration = Duration::from_millis(end.t_ms.saturating_sub(began.t_ms));
        outcome.findings.push(Finding {
            check: "no_result".to_string(),
            guest: None,
            round: None,
            direction: None,
            expected: "a result".to_string(),
            seen: format!(
                "the scenario began at {}, its last event is {}, and the record ends at {}",
                rfc3339_text(began.at),
                self.last_event,
                rfc3339_text(end.at)
            ),
            try_next: Some(
                "find out what ended multivm: a CI timeout, `kill -9`, the OOM killer (`dmesg`), a power loss; \
                 `multivm reap` undoes what the run left behind"
                    .to_string(),
            ),
        });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn fold(events: &[Event]) -> Fold<u32> {
        let mut fold: Fold<u32> = Fold::default();
        for (t_ms, event) in events.iter().enumerate() {
            let envelope = Envelope { at: SystemTime::UNIX_EPOCH, t_ms: t_ms as u64 };
            if let Some(events) = fold.take(&envelope, event) {
                *events += 1;
            }
        }
        fold
    }

    fn started(name: &str) -> Event {
        Event::ScenarioStarted { scenario: name.into() }
    }

    fn finished(name: &str) -> Event {
        Event::ScenarioFinished(Outcome::new(name, Verdict::Passed, SystemTime::UNIX_EPOCH))
    }

    fn cpu() -> Event {
        Event::BusyCpus { hosts: [("source".into(), 1.0)].into() }
    }

    /// Name, times, events of the last play.
    fn told(fold: &Fold<u32>) -> Vec<(&str, u32, u32)> {
        let plays = fold.plays.iter();
        plays.map(|play| (play.scenario.as_str(), play.times, play.details)).collect()
    }

    #[test]
    fn what_happens_between_two_scenarios_belongs_to_none() {
        let fold = fold(&[cpu(), started("a"), cpu(), cpu(), finished("a"), cpu(), started("b"), cpu()]);
        assert_eq!(told(&fold), [("a", 1, 3), ("b", 1, 2)]);
    }

    #[test]
    fn played_again_without_a_result_is_one_and_with_a_result_another() {
        let fold = fold(&[started("a"), cpu(), cpu(), started("a"), finished("a"), started("a"), cpu()]);
        assert_eq!(told(&fold), [("a", 2, 1), ("a", 1, 2)]);
        let verdicts: Vec<Verdict> = fold.outcomes().iter().map(|outcome| outcome.verdict).collect();
        assert_eq!(verdicts, [Verdict::Passed, Verdict::Error]);
        assert!(fold.outcomes()[1].findings[0].seen.contains("its last event is busy_cpus"));
    }

    #[test]
    fn the_next_part_of_a_merged_record_is_within_no_scenario() {
        let part = || Event::PartStarted(Part::default());
        let fold = fold(&[part(), started("a"), cpu(), part(), cpu(), finished("a"), started("b"), cpu()]);
        assert_eq!(told(&fold), [("a", 1, 2), ("b", 1, 2)]);
        assert_eq!(fold.parts.len(), 2);
    }

    #[test]
    fn a_result_without_a_start_ends_no_other_scenario() {
        let fold = fold(&[started("a"), finished("b"), cpu()]);
        assert_eq!(told(&fold), [("a", 1, 2), ("b", 0, 0)]);
    }
}
