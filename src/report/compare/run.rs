//! One run as comparisons see it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::metric::{DowntimeClock, Metric};
use super::summary::median;
use crate::record::{LostLines, RecordedLeg, RecordedProfile, ReportError, Verdict};
use crate::report::view::{self, RunView, ScenarioView};

/// A run, read from its record.
#[derive(Clone, Debug, Default)]
pub struct ComparedRun {
    /// The run's name, which is its folder's.
    pub name: String,
    /// The path as the user gave it.
    pub path: String,
    /// The names of the parts of a merged record or of a nextest group; otherwise the run's own name.
    pub made_of: BTreeSet<String>,
    /// The facts of the run and of its fixtures.
    pub stack: BTreeMap<String, String>,
    /// Sizes, counts and times.
    pub profile: BTreeMap<String, String>,
    /// The scenarios by full name.
    pub scenarios: BTreeMap<String, PlayedScenario>,
    /// The lines that its record lacks.
    pub lost: Option<LostLines>,
    /// Whether the run came to its end.
    pub ended: bool,
    /// Whether one of its legs has a reported downtime.
    pub has_downtimes: bool,
    /// The number of libvirt's downtimes that are longer than their migrations, and so impossible.
    pub impossible_downtimes: usize,
}

/// A scenario in a run. A merged record may have it several times: then all of its legs count, and the most telling verdict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlayedScenario {
    /// The verdict; none if the run was cut off in it.
    pub verdict: Option<Verdict>,
    /// The finding or the reason for a missing verdict, in one line.
    pub headline: String,
    /// The duration of each play, in seconds.
    pub wall_s: Vec<f64>,
    /// The successful migrations.
    pub legs: Vec<RecordedLeg>,
}

impl ComparedRun {
    /// Reads the run of a folder or of a `record.jsonl`.
    ///
    /// # Errors
    /// When the record cannot be read, or does not begin as one.
    pub fn load(path: &Path) -> Result<ComparedRun, ReportError> {
        Ok(ComparedRun { path: path.display().to_string(), ..ComparedRun::of(view::from_record(path)?) })
    }

    /// Takes the parts of a run that comparisons need.
    pub fn of(view: RunView) -> ComparedRun {
        let completed = || {
            let legs = view.scenarios.iter().flat_map(|scenario| &scenario.legs);
            legs.map(|leg| &leg.leg).filter(|leg| leg.succeeded())
        };
        let mut run = ComparedRun {
            ended: view.finished,
            lost: view.lost.clone(),
            has_downtimes: completed().any(|leg| leg.reported_ms().is_some()),
            impossible_downtimes: completed().filter(|leg| leg.has_impossible_downtime()).count(),
            ..ComparedRun::default()
        };
        for scenario in &view.scenarios {
            run.scenarios.entry(scenario.outcome.scenario.clone()).or_default().add(scenario);
        }
        let profile = view.header.profile.iter().flat_map(RecordedProfile::named);
        run.profile = profile.map(|(name, value)| (name, plain(&value))).collect();
        run.made_of = view.parts.into_iter().map(|part| part.run).collect();
        if run.made_of.is_empty() {
            run.made_of.insert(view.header.run.clone());
        }
        ComparedRun { name: view.header.run, stack: view.header.stack, ..run }
    }
}

impl PlayedScenario {
    fn add(&mut self, scenario: &ScenarioView) {
        let outcome = &scenario.outcome;
        let verdict = scenario.ended.then_some(outcome.verdict);
        let is_first = self.verdict.is_none() && self.headline.is_empty();
        if is_first || weight(verdict) > weight(self.verdict) {
            self.verdict = verdict;
            self.headline = match verdict {
                None => "begun, and without an end".into(),
                Some(Verdict::Passed) => String::new(),
                Some(_) => outcome.headline(),
            };
        }
        if matches!(verdict, Some(Verdict::Passed | Verdict::Failed)) {
            self.wall_s.push(outcome.duration.as_secs_f64());
        }
        let completed = scenario.legs.iter().map(|leg| &leg.leg).filter(|leg| leg.succeeded());
        self.legs.extend(completed.cloned());
    }

    /// Whether its numbers count: it has a verdict on the guests.
    pub fn counts(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Passed | Verdict::Failed))
    }

    /// The median of its legs; none if no leg has this metric.
    pub fn median(&self, metric: Metric, clock: DowntimeClock) -> Option<f64> {
        let values = self.values(metric, clock);
        (self.counts() && !values.is_empty()).then(|| median(&values))
    }

    /// The values of its legs, with a least value that has a logarithm.
    pub fn values(&self, metric: Metric, clock: DowntimeClock) -> Vec<f64> {
        let values = self.legs.iter().filter_map(|leg| metric.of(leg, clock));
        values.filter(|value| value.is_finite()).map(|value| value.max(metric.least_value())).collect()
    }
}

/// The weight of a verdict: a pass in one part does not undo a failure in another.
fn weight(verdict: Option<Verdict>) -> u8 {
    match verdict {
        Some(Verdict::Failed) => 4,
        Some(Verdict::Ignored) => 3,
        Some(Verdict::Passed) => 2,
        Some(Verdict::Error | Verdict::Interrupted | Verdict::NotRun) => 1,
        None => 0,
    }
}

/// A value without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
        assert_eq!(run.made_of, BTreeSet::from(["r".to_owned()]));
        let played = &run.scenarios[NAME];
        assert_eq!(played.values(Metric::TotalTime, DowntimeClock::Libvirt), [1500.0, 1500.0]);
        assert_eq!(played.median(Metric::TotalTime, DowntimeClock::Libvirt), Some(1500.0));
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

    /// Two parts of a merged record: the second does not hide what the first found.
    #[test]
    fn a_failure_counts_more_than_a_pass_of_another_part() {
        let of = |first, second| {
            let run =
                Writer::new().started(NAME).finished(NAME, first).started(NAME).finished(NAME, second).run();
            let played = &run.scenarios[NAME];
            (played.verdict, played.headline.is_empty(), played.wall_s.len())
        };
        assert_eq!(of(Verdict::Failed, Verdict::Passed), (Some(Verdict::Failed), false, 2));
        assert_eq!(of(Verdict::Passed, Verdict::Error), (Some(Verdict::Passed), true, 1));
        assert_eq!(of(Verdict::Error, Verdict::Passed), (Some(Verdict::Passed), true, 1));
    }
}
