//! One pass over the events of a record: assigns each to the play of a scenario, and finds the result of every play.
//!
//! A scenario that begins again before it has a result is one play, of which the last attempt counts. A scenario that begins
//! again after its result, as in a merged record, is another play. The findings of a play are the checks that failed in its
//! last attempt.

use std::mem;
use std::time::Duration;

use super::lost::add_lost;
use super::{
    Envelope, Event, Finding, LostLines, Outcome, Part, RecordedProfile, RunEnd, RunHeader, Verdict,
    rfc3339_text,
};
use crate::scenario::Scenario;

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
    /// Whether the scenario lies beyond the matrix, as its beginning said.
    ignored: bool,
    /// The play's result in the record, with its findings.
    result: Option<Outcome>,
    /// The findings of the last attempt, until the play has a result.
    findings: Vec<Finding>,
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
            Event::ScenarioStarted { scenario, ignored } => self.begin(scenario, *ignored, envelope),
            Event::ScenarioFinished(outcome) => {
                self.finish(outcome);
                return None;
            }
            _ => {}
        }
        let play = self.current.and_then(|place| self.plays.get_mut(place))?;
        play.note(event);
        if let Event::CheckFailed(finding) = event {
            play.findings.push(finding.clone());
        }
        Some(&mut play.details)
    }

    /// The play that goes on.
    pub fn playing(&self) -> Option<&Play<D>> {
        self.current.and_then(|place| self.plays.get(place))
    }

    /// All results in the record, with their findings.
    pub fn results(&self) -> impl DoubleEndedIterator<Item = &Outcome> {
        self.plays.iter().filter_map(|play| play.result.as_ref())
    }

    /// The last result of the scenario of this name, with its findings.
    pub fn result_of(&self, scenario: &str) -> Option<&Outcome> {
        self.results().rfind(|outcome| outcome.scenario == scenario)
    }

    /// The time of the last line, on the clock of `t_ms`.
    pub fn t_ms(&self) -> f64 {
        self.last.as_ref().map_or(0.0, |last| last.t_ms as f64)
    }

    /// The number of results with this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.results().filter(|outcome| outcome.verdict == verdict).count()
    }

    /// The reason why results without a failure are no success: none of these plays proved anything. None for any others.
    pub fn unproved(&self) -> Option<String> {
        let first = self.results().next()?;
        let ignored = self.results().all(|outcome| outcome.verdict == Verdict::Ignored);
        let why = first.reason.as_deref().unwrap_or("no reason is known");
        ignored.then(|| {
            format!(
                "nothing was proved: all that was played was ignored ({}), the first because {why}",
                self.results().count()
            )
        })
    }

    /// The outcomes of all plays.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.plays.iter().map(|play| self.outcome(play)).collect()
    }

    /// The outcome of a play of this record. Without a result it is an error that says so, with the run's catalogue, and with its seed if
    /// its moves follow from that.
    pub fn outcome(&self, play: &Play<D>) -> Outcome {
        let outcome = play.outcome(self.last.as_ref());
        if play.ended() {
            return outcome;
        }
        self.with_seed(Outcome { catalogue: self.header.catalogue.clone(), ..outcome })
    }

    fn with_seed(&self, outcome: Outcome) -> Outcome {
        let seeded = outcome.scenario.parse().is_ok_and(|scenario: Scenario| scenario.order.row().seeded);
        let Some(seed) = self.header.seed.filter(|_| seeded) else { return outcome };
        let (guests, rounds) = self.header.profile.as_ref().map_or((None, None), RecordedProfile::drawn_for);
        Outcome { seed: Some(seed), guests, rounds, ..outcome }
    }

    fn begin(&mut self, name: &str, ignored: bool, envelope: &Envelope) {
        let place = self.open(name).unwrap_or_else(|| self.another(name));
        let play = &mut self.plays[place];
        play.began = Some(envelope.clone());
        play.times += 1;
        play.ignored = ignored;
        play.findings.clear();
        play.details = D::default();
        self.current = Some(place);
    }

    fn finish(&mut self, outcome: &Outcome) {
        // Ignored and not run scenarios have a result without a start.
        let place = self.open(&outcome.scenario).unwrap_or_else(|| self.another(&outcome.scenario));
        let play = &mut self.plays[place];
        let findings = mem::take(&mut play.findings);
        play.result = Some(Outcome { findings, ..outcome.clone() });
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
            ignored: false,
            result: None,
            findings: Vec::new(),
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
    fn outcome(&self, end: Option<&Envelope>) -> Outcome {
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
        outcome.findings.clone_from(&self.findings);
        outcome.ignored = self.ignored;
        outcome.reason = Some(format!(
            "no result: the scenario began at {}, its last event is {}, and the record ends at {}\n\
             find out what ended multivm: a CI timeout, `kill -9`, the OOM killer (`dmesg`), a power loss; `multivm reap` undoes \
             what the run left behind",
            rfc3339_text(began.at),
            self.last_event,
            rfc3339_text(end.at)
        ));
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
        Event::ScenarioStarted { scenario: name.into(), ignored: false }
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
        assert!(fold.outcomes()[1].reason.as_ref().unwrap().contains("its last event is busy_cpus"));
    }

    fn found(check: &str) -> Event {
        Event::CheckFailed(Finding::in_a_test(check))
    }

    /// The checks of the findings of each outcome.
    fn findings(fold: &Fold<u32>) -> Vec<Vec<String>> {
        let checks = |outcome: Outcome| outcome.findings.into_iter().map(|finding| finding.check).collect();
        fold.outcomes().into_iter().map(checks).collect()
    }

    #[test]
    fn the_findings_are_those_of_the_play_that_counts() {
        let fold = fold(&[
            found("between"),
            started("a"),
            found("abandoned"),
            started("a"),
            found("one"),
            found("two"),
            finished("a"),
            found("between"),
            started("a"),
            finished("a"),
            started("cut"),
            found("three"),
        ]);
        assert_eq!(findings(&fold), [vec!["one", "two"], vec![], vec!["three"]]);
        assert_eq!(fold.result_of("a").unwrap().findings, [], "the last one of that name");
        let cut = &fold.outcomes()[2];
        assert!(
            cut.failure_text().starts_with("no result: the scenario began at "),
            "{}",
            cut.failure_text()
        );
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

    #[test]
    fn a_play_that_was_cut_off_has_the_seed_that_its_moves_follow_from() {
        let header = RunHeader { seed: Some(42), ..RunHeader::default() };
        let cut_off = ["precopy_random::in_vms::stress_cpu", "precopy_cross::in_vms::stress_cpu"];
        let mut events = vec![Event::RunStarted(header)];
        events.extend(cut_off.map(started));
        let seeds: Vec<_> = fold(&events).outcomes().iter().map(|outcome| outcome.seed).collect();
        assert_eq!(seeds, [Some(42), None]);
    }

    #[test]
    fn a_play_that_was_cut_off_is_beyond_the_matrix_if_its_beginning_says_so() {
        let named = |scenario: &str, ignored| Event::ScenarioStarted { scenario: scenario.into(), ignored };
        let header = Event::RunStarted(RunHeader { seed: Some(42), ..RunHeader::default() });
        let drawn = "precopy_random::in_vms::stress_cpu";
        let older = r#"{"event":"scenario_started","scenario":"precopy_cross::in_vms::stress_cpu"}"#;
        let fold = fold(&[
            header,
            named(drawn, false),
            named("precopy_cross::in_vms::stress_io", true),
            serde_json::from_str(older).unwrap(),
        ]);
        let ignored: Vec<_> = fold.outcomes().iter().map(|outcome| (outcome.seed, outcome.ignored)).collect();
        assert_eq!(ignored, [(Some(42), false), (None, true), (None, false)]);
    }

    #[test]
    fn a_run_of_what_the_stack_refuses_proves_nothing() {
        let outcome = |verdict| {
            let mut outcome = Outcome::new("a", verdict, SystemTime::UNIX_EPOCH);
            outcome.reason = Some("no multifd".into());
            Event::ScenarioFinished(outcome)
        };
        let ignored = outcome(Verdict::Ignored);
        let why = fold(&[ignored.clone(), ignored.clone()]).unproved().unwrap();
        assert!(why.contains("ignored (2), the first because no multifd"), "{why}");
        for other in [Verdict::Passed, Verdict::Failed, Verdict::Error] {
            assert_eq!(fold(&[ignored.clone(), outcome(other)]).unproved(), None);
        }
        assert_eq!(fold(&[]).unproved(), None);
    }
}
