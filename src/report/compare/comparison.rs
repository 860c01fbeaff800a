//! What a comparison came to: pure data, and with it the format of `--format json`, field by field.
//!
//! Times are in milliseconds, volumes in bytes; wall times, which end with `_s`, in seconds. Factors are NEW to BASE: 2 is
//! twice as much, which is worse for everything that is compared. New fields may come without a new version.

use serde::Serialize;

use super::change::{Fact, Verdicts};
use super::metric::{DowntimeClock, Metric};
use super::summary::Summary;

/// Version of the format, `version`.
pub const FORMAT_VERSION: u32 = 1;

/// Two runs, compared.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// Whether anything got worse: a group or a scenario beyond noise, or a scenario that passed and now fails. The exit
    /// status is 1 then.
    pub regression: bool,
    /// What is compared with.
    pub base: RunSummary,
    /// What is compared.
    pub new: RunSummary,
    /// What differs in sizes, counts and times. If anything does, the runs did not do the same, and their numbers say
    /// little about the stack.
    pub profile_changes: Vec<Fact>,
    /// What differs in the software and the hosts: what is to be compared, as a rule.
    pub stack_changes: Vec<Fact>,
    /// Which downtimes are compared.
    pub downtime_clock: DowntimeClock,
    /// What a reader must know of the two records, a sentence each.
    pub notes: Vec<String>,
    /// Scenarios whose verdict changed, or that only one run has.
    pub verdicts: Verdicts,
    /// Metrics in which nearly all scenarios moved alike: a slower machine does that as well as a slower stack.
    pub alike: Vec<Alike>,
    /// How far equal runs are apart, by metric and mode.
    pub noise: Vec<Noise>,
    /// Each mode and order, and last `all`, over the scenarios that both runs have.
    pub groups: Vec<Group>,
    /// Every scenario that both runs have with a verdict, in the order of names.
    pub scenarios: Vec<Scenario>,
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

/// A scenario in both runs.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// Full name.
    pub scenario: String,
    /// Its metrics, as far as both runs have them.
    pub measured: Vec<Measured>,
    /// How long it took, seconds; more than one if it was played more than once. Shown, not judged.
    pub wall_s: Option<[Summary; 2]>,
}

/// Several scenarios together.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// `{mode}_{order}`, or `all`.
    pub group: String,
    /// How many scenarios of it both runs have.
    pub scenarios: usize,
    /// Its metrics: all legs of all its scenarios in one summary; `factor` is the median over the scenarios.
    pub measured: Vec<Measured>,
    /// How long its scenarios took, seconds. Shown, not judged.
    pub wall_s: Option<[Summary; 2]>,
}

/// One metric, in BASE and in NEW.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub metric: Metric,
    pub base: Summary,
    pub new: Summary,
    /// NEW to BASE: for a scenario the median of all ratios of a leg to a leg, for a group the median over its scenarios.
    pub factor: f64,
    /// The probability of such a difference or more, if it is worse by no more than the least that matters; not yet
    /// corrected for the number of tests. Null for a group that is too small to be tested.
    pub p_worse: Option<f64>,
    /// The same for better.
    pub p_better: Option<f64>,
    /// For a scenario, the probability that its legs are apart like this in the direction of `factor`.
    pub p_legs: Option<f64>,
    /// What is said of it.
    pub claim: Claim,
}

/// What is said of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Worse, beyond noise.
    Worse,
    /// Better, beyond noise.
    Better,
    /// Nothing: the difference does not matter, or equal runs differ like this.
    None,
}

/// The scatter between equal runs.
#[derive(Clone, Debug, Serialize)]
pub struct Noise {
    pub metric: Metric,
    /// Of which mode.
    pub mode: String,
    /// By this factor or its inverse the shift of a scenario strays (one standard deviation).
    pub factor: f64,
    /// From how many scenarios it was learnt; 0: they were too few, and it is the usual one.
    pub learnt_from: usize,
    /// One scenario alone among all must get worse by this factor to be claimed; a group, or many scenarios, by less.
    pub claimed_from: f64,
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
        match self.verdicts.newly_failing.len() {
            0 => {}
            1 => reasons.push("1 scenario that passed fails".to_owned()),
            many => reasons.push(format!("{many} scenarios that passed fail")),
        }
        for metric in Metric::ALL {
            let groups = self.groups.iter().filter(|group| claimed(&group.measured, metric));
            let groups: Vec<&str> = groups.map(|group| group.group.as_str()).collect();
            let scenarios = self.scenarios.iter().filter(|one| claimed(&one.measured, metric)).count();
            let mut places = Vec::new();
            if !groups.is_empty() {
                places.push(groups.join(", "));
            }
            match scenarios {
                0 => {}
                1 => places.push("1 scenario".to_owned()),
                many => places.push(format!("{many} scenarios")),
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
    pub(super) fn claims(&self, claim: Claim) -> Vec<(&Scenario, &Measured)> {
        let mut claims: Vec<_> = self
            .scenarios
            .iter()
            .flat_map(|scenario| scenario.measured.iter().map(move |measured| (scenario, measured)))
            .filter(|(_, measured)| measured.claim == claim)
            .collect();
        claims.sort_by(|(_, a), (_, b)| b.factor.ln().abs().total_cmp(&a.factor.ln().abs()));
        claims
    }
}

fn claimed(measured: &[Measured], metric: Metric) -> bool {
    measured.iter().any(|measured| measured.metric == metric && measured.claim == Claim::Worse)
}
