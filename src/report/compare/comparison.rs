//! The result of a comparison: pure data, and with it the format of `--format json`, field by field.
//!
//! Times are in milliseconds, volumes in bytes; wall times, which end with `_s`, are in seconds. Factors are NEW to BASE: 2
//! is twice as much, which is worse for every metric. New fields may come without a new version.

use serde::Serialize;

use super::change::{Fact, Verdicts};
use super::metric::{DowntimeClock, Metric};
use super::summary::MetricSummary;
use crate::sys::words::counted;

/// Version of the format, `version`.
pub const FORMAT_VERSION: u32 = 2;

/// Runs of two sides, compared.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// Whether anything got worse: a group or a scenario beyond noise, or a scenario that passed and now fails or is
    /// refused. The exit status is 1 then.
    pub regression: bool,
    /// The runs to compare with.
    pub base: Vec<RunSummary>,
    /// The runs to compare.
    pub new: Vec<RunSummary>,
    /// Differences in sizes, counts and times. With any such difference the runs did not do the same, and their numbers say
    /// little about the stack.
    pub profile_changes: Vec<Fact>,
    /// Differences in the software and the hosts, which a comparison is usually about.
    pub stack_changes: Vec<Fact>,
    /// The clock of the compared downtimes.
    pub downtime_clock: DowntimeClock,
    /// Sentences about the records that a reader must know.
    pub notes: Vec<String>,
    /// Scenarios whose verdict changed, or that only one side has.
    pub verdicts: Verdicts,
    /// Metrics in which nearly all scenarios moved alike: a slower machine does that as well as a slower stack.
    pub alike: Vec<Alike>,
    /// The test that judged the numbers.
    pub test: Test,
    /// The smallest changes that the test would have found.
    pub reach: Vec<Reach>,
    /// Each mode, order and transport, and last `all`, over the scenarios of both sides.
    pub groups: Vec<Group>,
    /// Every scenario that passed or failed on both sides, in the order of names.
    pub scenarios: Vec<ComparedScenario>,
}

/// The test that judged the numbers. Both are one-sided, at 5 %, and corrected for the number of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// The test over runs, for groups and for each scenario: it asks whether another way to deal the runs into sides would
    /// have shown as much.
    Runs {
        /// The number of ways.
        ways: usize,
    },
    /// The test over scenarios, for groups alone and for fewer runs than the test over runs needs: it asks whether more
    /// scenarios are beyond the least effect than a coin would show.
    Scenarios {
        /// The number of questions: groups times metrics.
        questions: usize,
    },
}

/// The smallest change of a metric that these runs, with their scatter, would have shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reach {
    pub metric: Metric,
    /// The group; null for one scenario among all.
    pub group: Option<String>,
    /// The comparison would have claimed a rise by this factor or more. Null: it would have claimed no rise.
    pub factor: Option<f64>,
}

/// One of the runs.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// The run's name.
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

/// A scenario on both sides.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedScenario {
    /// The scenario's full name.
    pub scenario: String,
    /// The scenario's metrics that both sides have.
    pub measured: Vec<Measured>,
    /// The duration of each play, in seconds. Shown, not judged.
    pub wall_s: Option<[MetricSummary; 2]>,
}

/// Several scenarios together.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// `{mode}_{order}`, or `all`.
    pub group: String,
    /// The number of the group's scenarios that both sides have.
    pub scenarios: usize,
    /// The group's metrics: all legs of all its scenarios in one summary; `factor` is the median over the scenarios.
    pub measured: Vec<Measured>,
    /// The durations of the group's scenarios, in seconds. Shown, not judged.
    pub wall_s: Option<[MetricSummary; 2]>,
}

/// One metric, in BASE and in NEW.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub metric: Metric,
    /// All legs of all runs of BASE.
    pub base: MetricSummary,
    /// All legs of all runs of NEW.
    pub new: MetricSummary,
    /// For a scenario the median of its legs in each run, BASE's runs and NEW's; null for a run without it. Empty for a
    /// group.
    pub by_run: [Vec<Option<f64>>; 2],
    /// NEW to BASE, each the geometric mean of its runs. In each run of a group the median scenario counts.
    pub factor: f64,
    /// The probability of such a rise, or of a larger one, between equal stacks, corrected for the number of questions. Null
    /// if the test does not judge it, because the group has too few scenarios or the scenario too few runs.
    pub p_worse: Option<f64>,
    /// The probability of such a fall, or of a larger one, between equal stacks, corrected for the number of questions; null
    /// as for a rise.
    pub p_better: Option<f64>,
    /// The comparison's claim.
    pub claim: Claim,
}

/// The claim of a comparison about a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Worse, beyond noise.
    Worse,
    /// Better, beyond noise.
    Better,
    /// No claim: the difference does not matter, equal runs differ like this, or no test judged it.
    #[default]
    None,
}

/// A metric in which nearly all scenarios moved alike.
#[derive(Clone, Debug, Serialize)]
pub struct Alike {
    pub metric: Metric,
    /// The median over all scenarios.
    pub factor: f64,
    /// The bounds of the factors of the middle half of the scenarios.
    pub middle_half: [f64; 2],
    /// The number of scenarios that moved in that direction.
    pub scenarios: usize,
    /// The number of all scenarios.
    pub of: usize,
}

impl Comparison {
    /// The reasons for a regression, a line each; nothing without one.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut reason = |count, one, many| {
            if count > 0 {
                reasons.push(counted(count, one, many));
            }
        };
        let (one, many) = ("scenario that passed", "scenarios that passed");
        reason(self.verdicts.newly_failing.len(), format!("{one} fails"), format!("{many} fail"));
        reason(self.verdicts.newly_refused.len(), format!("{one} is refused"), format!("{many} are refused"));
        for metric in Metric::ALL {
            let groups = self.groups.iter().filter(|group| claimed(&group.measured, metric));
            let groups: Vec<&str> = groups.map(|group| group.group.as_str()).collect();
            let scenarios = self.scenarios.iter().filter(|one| claimed(&one.measured, metric)).count();
            let mut places = Vec::new();
            if !groups.is_empty() {
                places.push(groups.join(", "));
            }
            if scenarios > 0 {
                places.push(counted(scenarios, "scenario", "scenarios"));
            }
            if !places.is_empty() {
                reasons.push(format!("{} is worse in {}", metric.name(), places.join(", and in ")));
            }
        }
        reasons
    }

    /// The verdict in one line.
    pub fn headline(&self) -> String {
        if self.regression {
            format!("REGRESSION: {}.", self.reasons().join("; "))
        } else {
            "No regression.".to_owned()
        }
    }

    /// Every metric of every scenario with this claim, the largest change first.
    pub(super) fn claims(&self, claim: Claim) -> Vec<(&ComparedScenario, &Measured)> {
        self.largest(|measured| measured.claim == claim)
    }

    /// Every metric of every scenario that no test judges and that changed by the least factor or more, the largest change
    /// first.
    pub(super) fn unjudged(&self) -> Vec<(&ComparedScenario, &Measured)> {
        self.largest(|it| it.p_worse.is_none() && it.factor.ln().abs() >= it.metric.least_factor().ln())
    }

    fn largest(&self, is_meant: impl Fn(&Measured) -> bool) -> Vec<(&ComparedScenario, &Measured)> {
        let mut claims: Vec<_> = self
            .scenarios
            .iter()
            .flat_map(|scenario| scenario.measured.iter().map(move |measured| (scenario, measured)))
            .filter(|(_, measured)| is_meant(measured))
            .collect();
        claims.sort_by(|(_, a), (_, b)| b.factor.ln().abs().total_cmp(&a.factor.ln().abs()));
        claims
    }
}

impl Measured {
    /// The probability of the claimed change; without a claim, that of a rise.
    pub(super) fn p(&self) -> Option<f64> {
        if self.claim == Claim::Better { self.p_better } else { self.p_worse }
    }
}

fn claimed(measured: &[Measured], metric: Metric) -> bool {
    measured.iter().any(|measured| measured.metric == metric && measured.claim == Claim::Worse)
}
