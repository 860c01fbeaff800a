//! One of the two runs, as far as it is compared.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::metric::{DowntimeClock, Metric};
use crate::record::ReportError;
use crate::record::Verdict;
use crate::report::view::{self, LegView, RunView, ScenarioView};

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
    /// Whether one of its legs has a reported downtime.
    pub has_downtimes: bool,
    /// Downtimes of libvirt that cannot be: longer than the migration itself.
    pub impossible_downtimes: usize,
}

/// A scenario as it was played; where a merged record has it several times, all of them, with the last verdict.
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
    total_ms: f64,
    bytes: Option<f64>,
    libvirt_ms: Option<f64>,
    reported_ms: Option<f64>,
}

impl Leg {
    /// A migration of which the record has no end has no values.
    fn of(leg: &LegView) -> Option<Leg> {
        Some(Leg {
            total_ms: leg.duration_ms()?,
            bytes: leg.volume().map(|(bytes, _)| bytes),
            libvirt_ms: leg.libvirt_ms(),
            reported_ms: leg.reported_ms(),
        })
    }

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
        view::from_record(path).map(Run::of)
    }

    /// What of a run is compared.
    pub fn of(view: RunView) -> Run {
        let completed = || {
            let legs = view.scenarios.iter().flat_map(|scenario| &scenario.legs);
            legs.filter(|leg| leg.ok == Some(true))
        };
        let impossible = |leg: &&LegView| leg.libvirt_said_ms().is_some() && leg.libvirt_ms().is_none();
        let mut run = Run {
            ended: view.finished,
            has_downtimes: completed().any(|leg| leg.reported_ms().is_some()),
            impossible_downtimes: completed().filter(impossible).count(),
            ..Run::default()
        };
        for scenario in &view.scenarios {
            run.scenarios.entry(scenario.outcome.scenario.clone()).or_default().add(scenario);
        }
        flatten("", &view.header.profile, &mut run.profile);
        Run { name: view.header.run, stack: view.header.stack, ..run }
    }
}

impl Played {
    fn add(&mut self, scenario: &ScenarioView) {
        let outcome = &scenario.outcome;
        if !scenario.ended {
            self.headline = "begun, and without an end".into();
        } else {
            self.verdict = Some(outcome.verdict);
            self.headline = match outcome.verdict {
                Verdict::Passed => String::new(),
                _ => outcome.headline(),
            };
            if outcome.verdict == Verdict::Passed || outcome.verdict == Verdict::Failed {
                self.wall_s.push(outcome.duration.as_secs_f64());
            }
        }
        let completed = scenario.legs.iter().filter(|leg| leg.ok == Some(true));
        self.legs.extend(completed.filter_map(Leg::of));
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
    use crate::report::compare::testing::Writer;

    const NAME: &str = "precopy_orderly::in_vms::stress_cpu";

    #[test]
    fn what_a_record_says_of_its_legs() {
        let run = Writer::new()
            .started(NAME)
            .leg("vm1", 1.5, Some(120), 1 << 20)
            .leg("vm2", 1.5, Some(2_452_130), 1 << 20)
            .finished(NAME, Verdict::Passed)
            .run();
        assert_eq!((run.name.as_str(), run.ended, run.has_downtimes), ("r", false, false));
        let played = &run.scenarios[NAME];
        assert_eq!(played.values(Metric::TotalTime, DowntimeClock::Libvirt), [1500.0, 1500.0]);
        assert_eq!(played.values(Metric::Downtime, DowntimeClock::Libvirt), [120.0]);
        assert_eq!(played.values(Metric::Downtime, DowntimeClock::Reported), [0.0; 0]);
        assert_eq!(run.impossible_downtimes, 1, "QEMU 7.2 says such things of post-copy");
        assert_eq!(run.profile["guests"], "3");
        assert_eq!(run.stack["source.qemu"], "10.0.13");
    }

    #[test]
    fn a_scenario_that_was_played_again_counts_once() {
        let run = Writer::new()
            .started(NAME)
            .leg("vm1", 9.0, None, 1)
            .started(NAME)
            .leg("vm1", 1.0, None, 1)
            .downtime("vm1", 33.5)
            .finished(NAME, Verdict::Passed)
            .run();
        let played = &run.scenarios[NAME];
        assert_eq!(played.values(Metric::TotalTime, DowntimeClock::Reported), [1000.0]);
        assert_eq!(played.values(Metric::Downtime, DowntimeClock::Reported), [33.5]);
    }

    #[test]
    fn a_run_that_was_cut_off_has_what_it_has() {
        let run = Writer::new().started(NAME).leg("vm1", 1.0, None, 1).run();
        let played = &run.scenarios[NAME];
        assert_eq!((played.verdict, played.legs.len()), (None, 1));
        assert!(played.headline.contains("without an end"));
    }
}
