//! The result of a comparison: pure data, and with it the format of `--format json`, field by field.
//!
//! Times are in milliseconds, volumes in bytes. Factors are NEW to BASE: 2 is twice as much, which is worse for every
//! metric. New fields may come without a new version.

use std::collections::BTreeSet;

use serde::Serialize;

use super::alike::alike;
use super::fact::{Fact, facts};
use super::judge::{Test, judge};
use super::measured::{Claim, Measured};
use super::metric::Metric;
use super::notes::{notes, stack};
use super::run::{ComparedRun, RunSummary};
use super::side::{self, Refusal};
use super::verdicts::Verdicts;
use crate::report::view::{ALL, group_of};
use crate::sys::words::counted;

/// Version of the format, `version`.
pub const FORMAT_VERSION: u32 = 5;

/// Runs of two sides, compared.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// Whether anything got worse: a group or a scenario beyond noise, or a scenario that passed and now fails, is refused or
    /// has an error. The exit status is 1 then.
    pub regression: bool,
    /// The reasons for a regression, a line each; empty without one.
    pub reasons: Vec<String>,
    /// Why there is neither a regression nor a word that there is none: something stopped NEW before scenarios that BASE has
    /// shown. The exit status is 2 then. None with a regression.
    pub undecided: Option<String>,
    /// The number of scenarios that passed or failed in BASE.
    pub shown_in_base: usize,
    /// The number of those that passed or failed in NEW as well.
    pub shown_in_both: usize,
    /// The runs to compare with.
    pub base: Vec<RunSummary>,
    /// The runs to compare.
    pub new: Vec<RunSummary>,
    /// Differences in sizes, counts and times. With any such difference the runs did not do the same, and their numbers say
    /// little about the stack.
    pub profile_changes: Vec<Fact>,
    /// Differences in the software and the hosts, which a comparison is usually about.
    pub stack_changes: Vec<Fact>,
    /// Sentences about the records that a reader must know.
    pub notes: Vec<String>,
    /// Scenarios whose verdict changed, or that only one side has.
    pub verdicts: Verdicts,
    /// A sentence for each metric in which nearly all scenarios moved alike: a slower machine does that as well as a slower
    /// stack.
    pub alike: Vec<String>,
    /// The judged metrics. The first one is the downtime, reported or libvirt's.
    pub metrics: [Metric; 3],
    /// The test that judged the numbers.
    pub test: Test,
    /// Each metric of each mode, order and transport, and last of `all`, over the scenarios of both sides.
    pub groups: Vec<Measured>,
    /// Each metric of every scenario that passed or failed on both sides, in the order of names.
    pub scenarios: Vec<Measured>,
}

impl Comparison {
    /// Compares runs.
    ///
    /// # Errors
    /// When a run is given twice, the runs of a side are of different profiles, no scenario is on both sides, or NEW shows
    /// nothing of what BASE has shown.
    pub fn of(base: &[ComparedRun], new: &[ComparedRun]) -> Result<Comparison, Refusal> {
        side::check(base, new)?;
        let all_report = base.iter().chain(new).all(ComparedRun::has_downtimes);
        let downtime = if all_report { Metric::Downtime } else { Metric::LibvirtDowntime };
        let metrics = [downtime, Metric::TotalTime, Metric::DataVolume];
        let shown = || metrics.into_iter().chain([Metric::WallTime]);

        let of_scenario =
            |name| shown().filter_map(move |metric| Measured::of_scenario(name, metric, [base, new]));
        let mut scenarios: Vec<Measured> = side::scenarios(base).into_iter().flat_map(of_scenario).collect();
        let names: BTreeSet<String> = scenarios.iter().map(|it| group_of(&it.name)).collect();
        let all = (names.len() > 1).then(|| ALL.to_owned());
        let of_group = |name: String| {
            let scenarios = &scenarios;
            shown().filter_map(move |metric| Measured::of_group(&name, metric, scenarios))
        };
        let mut groups: Vec<Measured> = names.into_iter().chain(all).flat_map(of_group).collect();
        let test = judge(&mut scenarios, &mut groups, base.len(), new.len());

        let verdicts = Verdicts::of(base, new);
        let reasons = reasons(&verdicts, metrics, &groups, &scenarios);
        let (shown_in_base, shown_in_new) = (side::shown(base), side::shown(new));
        let shown_in_both = shown_in_base.intersection(&shown_in_new).count();
        Ok(Comparison {
            version: FORMAT_VERSION,
            regression: !reasons.is_empty(),
            undecided: undecided(new, shown_in_base.len(), shown_in_both).filter(|_| reasons.is_empty()),
            reasons,
            shown_in_base: shown_in_base.len(),
            shown_in_both,
            base: base.iter().map(|run| run.summary.clone()).collect(),
            new: new.iter().map(|run| run.summary.clone()).collect(),
            profile_changes: facts(&base[0].profile, &new[0].profile),
            stack_changes: facts(&stack(base), &stack(new)),
            notes: notes(base, new, downtime),
            verdicts,
            alike: metrics.into_iter().filter_map(|metric| alike(&scenarios, metric)).collect(),
            metrics,
            test,
            groups,
            scenarios,
        })
    }

    /// The verdict in one line.
    pub fn headline(&self) -> String {
        if self.regression {
            format!("REGRESSION: {}.", self.reasons.join("; "))
        } else if let Some(why) = &self.undecided {
            format!("NOT DECIDED: {why}.")
        } else if self.shown_in_both < self.shown_in_base {
            format!(
                "No regression in {} of {} scenarios: the others have no result in NEW.",
                self.shown_in_both, self.shown_in_base
            )
        } else {
            "No regression.".to_owned()
        }
    }

    /// Every metric of every scenario with this claim, the largest change first.
    pub(super) fn claims(&self, claim: Claim) -> Vec<&Measured> {
        self.largest(|it| it.claim == claim)
    }

    /// Every metric of every scenario that no test judges and that changed by the least factor or more, the largest change
    /// first.
    pub(super) fn unjudged(&self) -> Vec<&Measured> {
        self.largest(|it| {
            let is_large = it.factor.ln().abs() >= it.metric.least_factor().ln();
            it.metric != Metric::WallTime && it.p_worse.is_none() && is_large
        })
    }

    fn largest(&self, is_meant: impl Fn(&&Measured) -> bool) -> Vec<&Measured> {
        let mut largest: Vec<&Measured> = self.scenarios.iter().filter(is_meant).collect();
        largest.sort_by(|a, b| b.factor.ln().abs().total_cmp(&a.factor.ln().abs()));
        largest
    }
}

/// Why what NEW lacks keeps its stack from being called free of regressions, if something stopped a run of NEW.
fn undecided(new: &[ComparedRun], in_base: usize, in_both: usize) -> Option<String> {
    let stopped = new.iter().find(|run| !run.is_whole())?;
    let lacking = in_base - in_both;
    (lacking > 0).then(|| {
        format!(
            "{} was interrupted or cut off, or is still under way, and {lacking} of {} that passed or failed in BASE {} no result \
             in NEW",
            stopped.summary.path,
            counted(in_base, "scenario", "scenarios"),
            if lacking == 1 { "has" } else { "have" },
        )
    })
}

fn reasons(
    verdicts: &Verdicts,
    metrics: [Metric; 3],
    groups: &[Measured],
    scenarios: &[Measured],
) -> Vec<String> {
    let mut reasons = Vec::new();
    for (list, one, many) in [
        (&verdicts.newly_failing, "fails", "fail"),
        (&verdicts.newly_refused, "is refused", "are refused"),
        (&verdicts.newly_erring, "has an error", "have an error"),
    ] {
        if !list.is_empty() {
            let (one, many) =
                (format!("scenario that passed {one}"), format!("scenarios that passed {many}"));
            reasons.push(counted(list.len(), one, many));
        }
    }
    for metric in metrics {
        let is_worse = |it: &&Measured| it.metric == metric && it.claim == Claim::Worse;
        let worse = |all: &[Measured]| -> Vec<String> {
            all.iter().filter(is_worse).map(|it| it.name.clone()).collect()
        };
        let mut places = vec![worse(groups).join(", ")];
        match worse(scenarios).len() {
            0 => {}
            count => places.push(counted(count, "scenario", "scenarios")),
        }
        places.retain(|place| !place.is_empty());
        if !places.is_empty() {
            reasons.push(format!("{} is worse in {}", metric.name(), places.join(", and in ")));
        }
    }
    reasons
}

#[cfg(test)]
mod tests;
