//! Changes beside the numbers: verdicts, the stack, the profile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::run::{ComparedRun, PlayedScenario};
use crate::record::Verdict;

/// A fact that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The fact's name.
    pub name: String,
    /// The fact's value in BASE; null if BASE does not have it.
    pub base: Option<String>,
    /// The fact's value in NEW; null if NEW does not have it.
    pub new: Option<String>,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".into());
        write!(f, "{}: {} -> {}", self.name, shown(&self.base), shown(&self.new))
    }
}

/// The facts that differ, by name.
pub(super) fn facts(base: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Fact> {
    let mut names: Vec<&String> = base.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let fact = |name: &String| Fact {
        name: name.clone(),
        base: base.get(name).cloned(),
        new: new.get(name).cloned(),
    };
    names.into_iter().map(fact).filter(|fact| fact.base != fact.new).collect()
}

/// A scenario with its result in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    pub scenario: String,
    /// The finding, or the reason for the missing verdict. With several runs, the number of runs stands before it.
    pub headline: String,
}

/// The changes of verdicts. Every list is in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Passed and never failed in BASE, failed in NEW: a regression.
    pub newly_failing: Vec<Told>,
    /// Passed and never refused in BASE, refused by the stack in NEW, where it did not fail: a regression.
    pub newly_refused: Vec<Told>,
    /// Failed in BASE; in NEW it passed and did not fail.
    pub newly_passing: Vec<Told>,
    /// Failed in both; the line is of NEW.
    pub failing_in_both: Vec<Told>,
    /// Failed in NEW, and BASE has neither a pass nor a failure to compare with.
    pub failing_without_base: Vec<Told>,
    /// Passed or failed in BASE, and begun in NEW without such a result: an error of the environment, an interruption, a run
    /// that was cut off.
    pub without_result: Vec<Told>,
    /// Only in BASE.
    pub missing: Vec<String>,
    /// Only in NEW.
    pub added: Vec<String>,
}

/// The plays of one scenario in the runs of a side.
struct Said<'a> {
    runs: usize,
    played: Vec<&'a PlayedScenario>,
}

impl<'a> Said<'a> {
    fn of(runs: &'a [ComparedRun], scenario: &str) -> Said<'a> {
        let played = runs.iter().filter_map(|run| run.scenarios.get(scenario));
        Said { runs: runs.len(), played: played.collect() }
    }

    fn has(&self, verdict: Verdict) -> bool {
        self.played.iter().any(|played| played.verdict == Some(verdict))
    }

    /// The line of the first run with this verdict, or without a pass.
    fn told(&self, scenario: &str, verdict: Option<Verdict>) -> Told {
        let is_meant = |played: &&&PlayedScenario| match verdict {
            Some(verdict) => played.verdict == Some(verdict),
            None => played.verdict != Some(Verdict::Passed),
        };
        let count = self.played.iter().filter(is_meant).count();
        let headline = self.played.iter().find(is_meant).map_or("", |played| &played.headline);
        let headline = match self.runs {
            1 => headline.to_owned(),
            runs => format!("in {count} of {runs} runs: {headline}"),
        };
        Told { scenario: scenario.to_owned(), headline }
    }
}

impl Verdicts {
    pub(super) fn of(base: &[ComparedRun], new: &[ComparedRun]) -> Verdicts {
        let names = |runs: &[ComparedRun]| -> BTreeSet<String> {
            runs.iter().flat_map(|run| run.scenarios.keys().cloned()).collect()
        };
        let (before, after) = (names(base), names(new));
        let mut verdicts = Verdicts {
            missing: before.difference(&after).cloned().collect(),
            added: after.difference(&before).cloned().collect(),
            ..Verdicts::default()
        };
        for name in &after {
            verdicts.add(name, &Said::of(base, name), &Said::of(new, name));
        }
        verdicts
    }

    fn add(&mut self, name: &str, base: &Said, new: &Said) {
        use Verdict::{Failed, Ignored, Passed};
        let (base_passed, base_failed) = (base.has(Passed), base.has(Failed));
        let told = |verdict| new.told(name, verdict);
        if new.has(Failed) {
            let list = match (base_passed, base_failed) {
                (_, true) => &mut self.failing_in_both,
                (true, false) => &mut self.newly_failing,
                (false, false) => &mut self.failing_without_base,
            };
            list.push(told(Some(Failed)));
        } else if new.has(Ignored) && base_passed && !base.has(Ignored) {
            self.newly_refused.push(told(Some(Ignored)));
        } else if new.has(Passed) && base_failed {
            self.newly_passing.push(base.told(name, Some(Failed)));
        } else if (base_passed || base_failed) && !new.has(Passed) {
            self.without_result.push(told(None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::compare::testing::Writer;

    fn run(verdicts: &[(&str, Option<Verdict>)]) -> ComparedRun {
        verdicts
            .iter()
            .fold(Writer::new(), |run, (name, verdict)| {
                let run = run.started(name);
                match verdict {
                    Some(verdict) => run.finished(name, *verdict),
                    None => run,
                }
            })
            .run()
    }

    #[test]
    fn every_change_has_its_list() {
        use Verdict::{Error, Failed, Ignored, Passed};
        let base = run(&[
            ("broken", Some(Passed)),
            ("mended", Some(Failed)),
            ("bad", Some(Failed)),
            ("cut", Some(Passed)),
            ("stuck", Some(Passed)),
            ("gone", Some(Passed)),
            ("unknown", Some(Error)),
            ("good", Some(Passed)),
            ("refused", Some(Ignored)),
            ("supported", Some(Passed)),
        ]);
        let new = run(&[
            ("broken", Some(Failed)),
            ("mended", Some(Passed)),
            ("bad", Some(Failed)),
            ("cut", None),
            ("stuck", Some(Error)),
            ("unknown", Some(Failed)),
            ("good", Some(Passed)),
            ("refused", Some(Passed)),
            ("supported", Some(Ignored)),
            ("fresh", Some(Failed)),
        ]);
        let verdicts = Verdicts::of(&[base], &[new]);
        let names = |told: &[Told]| told.iter().map(|told| told.scenario.clone()).collect::<Vec<_>>();
        assert_eq!(names(&verdicts.newly_failing), ["broken"]);
        assert_eq!(verdicts.newly_failing[0].headline, "reboot: guest vm2, round 1, source to target");
        assert_eq!(names(&verdicts.newly_refused), ["supported"]);
        assert_eq!(names(&verdicts.newly_passing), ["mended"]);
        assert_eq!(names(&verdicts.failing_in_both), ["bad"]);
        assert_eq!(names(&verdicts.failing_without_base), ["fresh", "unknown"]);
        assert_eq!(names(&verdicts.without_result), ["cut", "stuck"]);
        assert_eq!((verdicts.missing, verdicts.added), (vec!["gone".to_owned()], vec!["fresh".to_owned()]));
    }

    /// One failure in three runs is a failure, and no later pass hides it.
    #[test]
    fn of_several_runs_each_failure_counts() {
        use Verdict::{Failed, Passed};
        let side = |verdicts: [Verdict; 3]| verdicts.map(|verdict| run(&[("a", Some(verdict))]));
        let good = side([Passed; 3]);
        let flaky = side([Passed, Failed, Passed]);
        let verdicts = Verdicts::of(&good, &flaky);
        assert_eq!(verdicts.newly_failing.len(), 1);
        assert_eq!(
            verdicts.newly_failing[0].headline,
            "in 1 of 3 runs: reboot: guest vm2, round 1, source to target"
        );
        assert_eq!(Verdicts::of(&flaky, &side([Failed; 3])).failing_in_both.len(), 1);
        assert_eq!(Verdicts::of(&flaky, &good).newly_passing.len(), 1);
        assert_eq!(Verdicts::of(&good, &good), Verdicts::default());
    }

    #[test]
    fn facts_that_differ_are_told_with_both_values() {
        let facts_of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let changed = facts(
            &facts_of(&[("a", "1"), ("b", "1"), ("c", "1")]),
            &facts_of(&[("b", "1"), ("c", "2"), ("d", "3")]),
        );
        let shown: Vec<_> = changed.iter().map(|f| (&*f.name, f.base.as_deref(), f.new.as_deref())).collect();
        assert_eq!(shown, [("a", Some("1"), None), ("c", Some("1"), Some("2")), ("d", None, Some("3"))]);
    }
}
