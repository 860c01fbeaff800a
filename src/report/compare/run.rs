//! One of the two runs, as far as it is compared.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::metric::{DowntimeClock, Metric};
use crate::outcome::{Direction, Outcome, Verdict};
use crate::report::{Envelope, Event, ReportError, read};

/// A run that was read from its record.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Its name, that of its folder.
    pub name: String,
    /// What it ran on: facts of the run, and of its fixtures.
    pub stack: BTreeMap<String, String>,
    /// Sizes, counts and times.
    pub profile: BTreeMap<String, String>,
    /// By full name.
    pub scenarios: BTreeMap<String, Played>,
    /// Whether it came to its end, or was cut off.
    pub ended: bool,
    /// Whether it has a `downtime` event.
    pub has_downtimes: bool,
    /// Downtimes of libvirt that cannot be: longer than the migration itself.
    pub impossible_downtimes: usize,
}

/// A scenario as it was played; where it was played several times, all that came to an end, with the last verdict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Played {
    /// None: the run was cut off in it.
    pub verdict: Option<Verdict>,
    /// What was found, or why there is no better verdict, in one line.
    pub headline: String,
    /// How long it took, seconds, each time.
    pub wall_s: Vec<f64>,
    /// The migrations that libvirt completed.
    pub legs: Vec<Leg>,
}

/// One migration of one guest.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    place: Place,
    total_ms: f64,
    bytes: Option<f64>,
    libvirt_ms: Option<f64>,
    reported_ms: Option<f64>,
}

/// Which of a scenario's legs: guest, round, direction, step.
type Place = (String, u32, Direction, u32);

impl Leg {
    pub fn value(&self, metric: Metric, clock: DowntimeClock) -> Option<f64> {
        match (metric, clock) {
            (Metric::TotalTime, _) => Some(self.total_ms),
            (Metric::DataVolume, _) => self.bytes,
            (Metric::Downtime, DowntimeClock::Reported) => self.reported_ms,
            (Metric::Downtime, DowntimeClock::Libvirt) => self.libvirt_ms,
        }
    }
}

impl Run {
    /// Reads the run of a folder or of a `record.jsonl`.
    ///
    /// # Errors
    /// When the record cannot be read, or does not begin as one.
    pub fn load(path: &Path) -> Result<Run, ReportError> {
        Run::of(read(path)?).ok_or_else(|| ReportError::NoRun { path: path.to_path_buf() })
    }

    /// The run that these events tell of; none if they do not tell of any.
    pub fn of(events: Vec<(Envelope, Event)>) -> Option<Run> {
        let mut events = events.into_iter().map(|(_, event)| event);
        let Event::RunStarted(header) = events.next()? else { return None };
        let mut run = Run { name: header.run, stack: header.stack, ..Run::default() };
        flatten("", &header.profile, &mut run.profile);
        let mut playing: BTreeMap<String, Vec<Leg>> = BTreeMap::new();
        for event in events {
            run.take(event, &mut playing);
        }
        for (name, legs) in playing {
            // Begun, and cut off; unless it had come to an end before.
            let played = run.scenarios.entry(name).or_default();
            if played.verdict.is_none() {
                played.headline = "begun, and without an end".into();
                played.legs = legs;
            }
        }
        Some(run)
    }

    fn take(&mut self, event: Event, playing: &mut BTreeMap<String, Vec<Leg>>) {
        match event {
            Event::FixtureReady { name, facts, .. } => {
                self.stack.extend(facts.into_iter().map(|(fact, value)| (format!("{name}: {fact}"), value)));
            }
            Event::ScenarioStarted { scenario } => {
                // What was begun before and has no end was played again, and does not count.
                playing.insert(scenario, Vec::new());
            }
            Event::LegFinished {
                scenario,
                guest,
                round,
                direction,
                step,
                ok: true,
                duration_s,
                stats,
                ..
            } => {
                let total_ms = duration_s * 1e3;
                let number = |name: &str| stats.get(name).and_then(Value::as_f64);
                let libvirt_ms = number("downtime_ms").filter(|downtime| *downtime <= total_ms);
                self.impossible_downtimes +=
                    usize::from(libvirt_ms.is_none() && number("downtime_ms").is_some());
                playing.entry(scenario).or_default().push(Leg {
                    place: (guest, round, direction, step),
                    total_ms,
                    bytes: number("data_processed_bytes"),
                    libvirt_ms,
                    reported_ms: None,
                });
            }
            Event::Downtime { scenario, guest, round, direction, step, clocks } => {
                self.has_downtimes = true;
                let place = (guest, round, direction, step);
                let legs = playing.entry(scenario).or_default();
                if let Some(leg) = legs.iter_mut().rev().find(|leg| leg.place == place) {
                    leg.reported_ms = Some(clocks.reported_ms);
                }
            }
            Event::ScenarioFinished(outcome) => {
                let legs = playing.remove(&outcome.scenario).unwrap_or_default();
                self.scenarios.entry(outcome.scenario.clone()).or_default().add(&outcome, legs);
            }
            Event::RunFinished { .. } => self.ended = true,
            _ => {}
        }
    }
}

impl Played {
    fn add(&mut self, outcome: &Outcome, legs: Vec<Leg>) {
        self.verdict = Some(outcome.verdict);
        self.headline = match outcome.verdict {
            Verdict::Passed => String::new(),
            _ => outcome.headline(),
        };
        if outcome.verdict == Verdict::Passed || outcome.verdict == Verdict::Failed {
            self.wall_s.push(outcome.duration.as_secs_f64());
        }
        self.legs.extend(legs);
    }

    /// The values of its legs, with a least value that has a logarithm.
    pub fn values(&self, metric: Metric, clock: DowntimeClock) -> Vec<f64> {
        let values = self.legs.iter().filter_map(|leg| leg.value(metric, clock));
        values.filter(|value| value.is_finite()).map(|value| value.max(metric.least_value())).collect()
    }
}

/// The values of an object, and of objects in it, by their names.
fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&name, value, into);
            }
        }
        Value::Null => {}
        Value::String(text) => {
            into.insert(name.to_owned(), text.clone());
        }
        other => {
            into.insert(name.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::compare::testing::{Writer, leg};

    const NAME: &str = "precopy_orderly::in_vms::stress_cpu";

    #[test]
    fn what_a_record_says_of_its_legs() {
        let run = Writer::new()
            .started(NAME)
            .event(leg(NAME, "vm1", 1.5, Some(120), 1 << 20))
            .event(leg(NAME, "vm2", 1.5, Some(2_452_130), 1 << 20))
            .finished(NAME, Verdict::Passed)
            .run();
        assert_eq!((run.name.as_str(), run.ended, run.has_downtimes), ("r", false, false));
        let played = &run.scenarios[NAME];
        assert_eq!(played.values(Metric::TotalTime, DowntimeClock::Libvirt), [1500.0, 1500.0]);
        assert_eq!(played.values(Metric::Downtime, DowntimeClock::Libvirt), [120.0]);
        assert_eq!(played.values(Metric::Downtime, DowntimeClock::Reported), [0.0; 0]);
        assert_eq!(run.impossible_downtimes, 1, "QEMU 7.2 says such things of post-copy");
        assert_eq!(run.profile["guests"], "3");
        assert_eq!(run.stack["hosts: source.qemu"], "10.0.13");
    }

    #[test]
    fn a_scenario_that_was_played_again_counts_once() {
        let run = Writer::new()
            .started(NAME)
            .event(leg(NAME, "vm1", 9.0, None, 1))
            .started(NAME)
            .event(leg(NAME, "vm1", 1.0, None, 1))
            .downtime(NAME, "vm1", 33.5)
            .finished(NAME, Verdict::Passed)
            .run();
        let played = &run.scenarios[NAME];
        assert_eq!(played.values(Metric::TotalTime, DowntimeClock::Reported), [1000.0]);
        assert_eq!(played.values(Metric::Downtime, DowntimeClock::Reported), [33.5]);
    }

    #[test]
    fn a_run_that_was_cut_off_has_what_it_has() {
        let run = Writer::new().started(NAME).event(leg(NAME, "vm1", 1.0, None, 1)).run();
        let played = &run.scenarios[NAME];
        assert_eq!((played.verdict, played.legs.len()), (None, 1));
        assert!(played.headline.contains("without an end"));
    }

    #[test]
    fn without_a_beginning_it_is_no_run() {
        assert!(Run::of(Vec::new()).is_none());
    }
}
