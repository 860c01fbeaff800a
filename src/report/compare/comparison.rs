//! What a comparison came to: pure data, and with it the format of `--format json`, field by field.
//!
//! Times are in milliseconds, volumes in bytes; wall times, which end with `_s`, in seconds. Factors are NEW to BASE: 2 is
//! twice as much, which is worse for everything that is compared. New fields may come without a new version.

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
    /// What differs in sizes, counts and times. If anything does, the runs did not do the same, and their numbers say
    /// little about the stack.
    pub profile_changes: Vec<Fact>,
    /// What differs in the software and the hosts: what is to be compared, as a rule.
    pub stack_changes: Vec<Fact>,
    /// Which downtimes are compared.
    pub downtime_clock: DowntimeClock,
    /// What a reader must know of the records, a sentence each.
    pub notes: Vec<String>,
    /// Scenarios whose verdict changed, or that only one side has.
    pub verdicts: Verdicts,
    /// Metrics in which nearly all scenarios moved alike: a slower machine does that as well as a slower stack.
    pub alike: Vec<Alike>,
    /// By which test the numbers were judged.
    pub test: Test,
    /// What would have been found.
    pub reach: Vec<Reach>,
    /// Each mode and order, and last `all`, over the scenarios that both sides have.
    pub groups: Vec<Group>,
    /// Every scenario that passed or failed on both sides, in the order of names.
    pub scenarios: Vec<ComparedScenario>,
}

/// By which test the numbers were judged; both at 5 %, one-sided, and corrected for the number of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// The test over runs, for groups and for each scenario: whether another way to deal the runs into sides would have
    /// shown as much.
    Runs {
        /// How many ways there are.
        ways: usize,
    },
    /// The test over scenarios, for groups alone: whether more scenarios are beyond the least effect than a coin would show.
    /// For fewer runs than the test over runs needs.
    Scenarios {
        /// How many questions were asked: groups and metrics.
        questions: usize,
    },
}

/// What would have been found of a metric, with these runs and their scatter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reach {
    pub metric: Metric,
    /// The group; null for one scenario among all.
    pub group: Option<String>,
    /// Had it come out as worse by this factor or more, it would have been called worse. Null: nothing would have been.
    pub factor: Option<f64>,
}

/// One of the runs.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// Its name.
    pub run: String,
    /// Where it was read, as given.
    pub path: String,
    /// Whether it came to its end; else it was cut off, or is still under way.
    pub ended: bool,
    /// Scenarios that were begun.
    pub scenarios: usize,
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
}

/// A scenario on both sides.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedScenario {
    /// Full name.
    pub scenario: String,
    /// Its metrics, as far as both sides have them.
    pub measured: Vec<Measured>,
    /// How long each play of it took, seconds. Shown, not judged.
    pub wall_s: Option<[MetricSummary; 2]>,
}

/// Several scenarios together.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// `{mode}_{order}`, or `all`.
    pub group: String,
    /// How many scenarios of it both sides have.
    pub scenarios: usize,
    /// Its metrics: all legs of all its scenarios in one summary; `factor` is the median over the scenarios.
    pub measured: Vec<Measured>,
    /// How long its scenarios took, seconds. Shown, not judged.
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
    /// For a scenario the median of its legs in each run, those of BASE and those of NEW; null for a run without it. Empty
    /// for a group.
    pub by_run: [Vec<Option<f64>>; 2],
    /// NEW to BASE, both the geometric mean of their runs. Of a group in each run the median of its scenarios counts.
    pub factor: f64,
    /// The probability of such a rise, or of a larger one, between equal stacks, corrected for the number of questions. Null
    /// for what the test does not judge: of a group with too few scenarios, of a scenario with too few runs.
    pub p_worse: Option<f64>,
    /// The probability of such a fall, or of a larger one, likewise.
    pub p_better: Option<f64>,
    /// What the comparison claims.
    pub claim: Claim,
}

/// What the comparison claims of a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Worse, beyond noise.
    Worse,
    /// Better, beyond noise.
    Better,
    /// Nothing: the difference does not matter, equal runs differ like this, or it was not judged.
    #[default]
    None,
}

/// A metric in which nearly all scenarios moved alike.
#[derive(Clone, Debug, Serialize)]
pub struct Alike {
    pub metric: Metric,
    /// The median over all scenarios.
    pub factor: f64,
    /// The factors between which the middle half of the scenarios are.
    pub middle_half: [f64; 2],
    /// How many of them moved in that direction.
    pub scenarios: usize,
    /// Of how many.
    pub of: usize,
}

impl Comparison {
    /// What makes it a regression, a line each; nothing if nothing does.
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

    /// Every metric of every scenario of which this is claimed, the largest change first.
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
    /// The probability that belongs to the claim; without a claim, that of a rise.
    pub(super) fn p(&self) -> Option<f64> {
        if self.claim == Claim::Better { self.p_better } else { self.p_worse }
    }
}

fn claimed(measured: &[Measured], metric: Metric) -> bool {
    measured.iter().any(|measured| measured.metric == metric && measured.claim == Claim::Worse)
}
