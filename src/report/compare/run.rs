//! One run as comparisons see it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::metric::Metric;
use crate::record::{LostLines, ReportError, Verdict};
use crate::report::view::{self, RunView, ScenarioView};

/// The values of a metric that has a logarithm are never smaller: no measurement resolves less.
const LEAST_VALUE: f64 = 1.0;

/// A run in a few words.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunSummary {
    /// The run's name, which is its folder's.
    pub run: String,
    /// The path as the user gave it.
    pub path: String,
    /// Whether the run came to its end. Otherwise it was cut off, or still goes on.
    pub ended: bool,
    /// The number of scenarios that began.
    pub scenarios: usize,
    /// The number of scenarios that passed.
    pub passed: usize,
    /// The number of scenarios that failed.
    pub failed: usize,
}

/// A run, read from its record.
#[derive(Clone, Debug, Default)]
pub struct ComparedRun {
    pub summary: RunSummary,
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
    /// The values of its successful migrations and of its plays.
    values: BTreeMap<Metric, Vec<f64>>,
}

impl ComparedRun {
    /// Reads the run of a folder or of a `record.jsonl`.
    ///
    /// # Errors
    /// When the record cannot be read, or does not begin as one.
    pub fn load(path: &Path) -> Result<ComparedRun, ReportError> {
        let mut run = ComparedRun::of(view::from_record(path)?);
        run.summary.path = path.display().to_string();
        Ok(run)
    }

    /// Takes the parts of a run that comparisons need.
    pub fn of(view: RunView) -> ComparedRun {
        let mut run = ComparedRun {
            made_of: view.parts.into_iter().map(|part| part.run).collect(),
            profile: view.header.profile_values(),
            stack: view.header.stack,
            lost: view.lost,
            ..ComparedRun::default()
        };
        for scenario in &view.scenarios {
            run.scenarios.entry(scenario.outcome.scenario.clone()).or_default().add(scenario);
            let legs = scenario.legs().iter().map(|leg| &leg.leg);
            run.impossible_downtimes +=
                legs.filter(|leg| leg.succeeded() && leg.has_impossible_downtime()).count();
        }
        if run.made_of.is_empty() {
            run.made_of.insert(view.header.run.clone());
        }
        let count = |verdict| run.scenarios.values().filter(|played| played.verdict == Some(verdict)).count();
        run.summary = RunSummary {
            run: view.header.run,
            path: String::new(),
            ended: view.finished,
            scenarios: run.scenarios.len(),
            passed: count(Verdict::Passed),
            failed: count(Verdict::Failed),
        };
        run
    }

    /// Whether one of its legs has a reported downtime.
    pub fn has_downtimes(&self) -> bool {
        self.scenarios.values().any(|played| played.values.contains_key(&Metric::Downtime))
    }

    /// Whether nothing stopped the run before its end: it has one, and interrupted no scenario.
    pub fn is_whole(&self) -> bool {
        let stopped =
            |played: &PlayedScenario| matches!(played.verdict, Some(Verdict::Interrupted | Verdict::NotRun));
        self.summary.ended && !self.scenarios.values().any(stopped)
    }

    /// Whether a scenario has a verdict on the guests.
    pub fn has_shown(&self, scenario: &str) -> bool {
        is_about_guests(self.verdict(scenario))
    }

    /// The verdict of a scenario; none if the run does not have it, or was cut off in it.
    pub fn verdict(&self, scenario: &str) -> Option<Verdict> {
        self.scenarios.get(scenario)?.verdict
    }

    /// The values of a scenario whose numbers count: it has a verdict on the guests.
    pub fn values(&self, scenario: &str, metric: Metric) -> &[f64] {
        let played = self.scenarios.get(scenario).filter(|played| is_about_guests(played.verdict));
        played.and_then(|played| played.values.get(&metric)).map_or(&[], |values| values)
    }
}

impl PlayedScenario {
    fn add(&mut self, scenario: &ScenarioView) {
        let outcome = &scenario.outcome;
        let verdict = scenario.play.ended().then_some(outcome.verdict);
        let is_first = self.verdict.is_none() && self.headline.is_empty();
        if is_first || weight(verdict) > weight(self.verdict) {
            self.verdict = verdict;
            self.headline = match verdict {
                None => "begun, and without an end".into(),
                Some(Verdict::Passed) => String::new(),
                Some(_) => outcome.headline(),
            };
        }
        let mut add = |metric, value: f64| {
            self.values.entry(metric).or_default().push(value.max(LEAST_VALUE));
        };
        if is_about_guests(verdict) {
            add(Metric::WallTime, outcome.duration.as_secs_f64() * 1e3);
        }
        for leg in scenario.legs().iter().map(|leg| &leg.leg).filter(|leg| leg.succeeded()) {
            let of_leg = |metric: Metric| Some((metric, metric.of(leg)?));
            Metric::ALL.into_iter().filter_map(of_leg).for_each(|(metric, value)| add(metric, value));
        }
    }
}

fn is_about_guests(verdict: Option<Verdict>) -> bool {
    matches!(verdict, Some(Verdict::Passed | Verdict::Failed))
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
        assert_eq!((run.summary.run.as_str(), run.summary.ended, run.has_downtimes()), ("r", false, false));
        assert_eq!(run.made_of, BTreeSet::from(["r".to_owned()]));
        assert_eq!(run.values(NAME, Metric::TotalTime), [1500.0, 1500.0]);
        assert_eq!(run.values(NAME, Metric::LibvirtDowntime), [120.0]);
        assert_eq!(run.values(NAME, Metric::Downtime), [0.0; 0]);
        assert_eq!(run.values(NAME, Metric::WallTime), [12_000.0]);
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
        assert_eq!(run.values(NAME, Metric::TotalTime), [1000.0]);
        assert_eq!(run.values(NAME, Metric::Downtime), [33.5]);
    }

    #[test]
    fn a_run_that_was_cut_off_has_what_it_has() {
        let run = Writer::new().started(NAME).leg("vm1", 1.0, None, 1).run();
        let played = &run.scenarios[NAME];
        assert_eq!((played.verdict, run.values(NAME, Metric::TotalTime)), (None, &[][..]));
        assert!(played.headline.contains("without an end"));
    }

    /// Two parts of a merged record: the second does not hide what the first found.
    #[test]
    fn a_failure_counts_more_than_a_pass_of_another_part() {
        let of = |first, second| {
            let run =
                Writer::new().started(NAME).finished(NAME, first).started(NAME).finished(NAME, second).run();
            let played = &run.scenarios[NAME];
            (played.verdict, played.headline.is_empty(), run.values(NAME, Metric::WallTime).len())
        };
        assert_eq!(of(Verdict::Failed, Verdict::Passed), (Some(Verdict::Failed), false, 2));
        assert_eq!(of(Verdict::Passed, Verdict::Error), (Some(Verdict::Passed), true, 1));
        assert_eq!(of(Verdict::Error, Verdict::Passed), (Some(Verdict::Passed), true, 1));
    }
}
