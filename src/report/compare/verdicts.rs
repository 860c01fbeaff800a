//! Changes of verdicts.

use serde::Serialize;

use super::run::ComparedRun;
use super::side;
use crate::record::Verdict;

/// A scenario with its result in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScenarioHeadline {
    pub scenario: String,
    /// The finding, or the reason for the missing verdict. With several runs, the number of runs stands before it.
    pub headline: String,
}

/// The changes of verdicts. Every list is in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Passed and never failed in BASE, failed in NEW: a regression.
    pub newly_failing: Vec<ScenarioHeadline>,
    /// Passed and never refused in BASE, refused by the stack in NEW, where it did not fail: a regression.
    pub newly_refused: Vec<ScenarioHeadline>,
    /// Passed in BASE; in NEW an error of the environment, and no verdict on the guests: what BASE has shown, NEW has not. A
    /// regression.
    pub newly_erring: Vec<ScenarioHeadline>,
    /// Failed in BASE; in NEW it passed and did not fail.
    pub newly_passing: Vec<ScenarioHeadline>,
    /// Failed in both; the line is of NEW.
    pub failing_in_both: Vec<ScenarioHeadline>,
    /// Failed in NEW, and BASE has neither a pass nor a failure to compare with.
    pub failing_without_base: Vec<ScenarioHeadline>,
    /// Passed or failed in BASE, and begun in NEW without such a result and without a regression: an interruption, a run that
    /// was cut off, an error of what had failed.
    pub without_result: Vec<ScenarioHeadline>,
    /// Only in BASE.
    pub missing: Vec<String>,
    /// Only in NEW.
    pub added: Vec<String>,
}

impl Verdicts {
    pub(super) fn of(base: &[ComparedRun], new: &[ComparedRun]) -> Verdicts {
        let (before, after) = (side::scenarios(base), side::scenarios(new));
        let mut verdicts = Verdicts {
            missing: before.difference(&after).map(|name| (*name).to_owned()).collect(),
            added: after.difference(&before).map(|name| (*name).to_owned()).collect(),
            ..Verdicts::default()
        };
        for name in after {
            verdicts.add(name, base, new);
        }
        verdicts
    }

    fn add(&mut self, name: &str, base: &[ComparedRun], new: &[ComparedRun]) {
        use Verdict::{Error, Failed, Ignored, Passed};
        let has = |runs: &[ComparedRun], verdict| runs.iter().any(|run| run.verdict(name) == Some(verdict));
        let (passed, failed) = (has(base, Passed), has(base, Failed));
        // Of a run that was stopped an error may be the stop's: a merged record has one for what its part was cut off in.
        let erred = || new.iter().any(|run| run.is_whole() && run.verdict(name) == Some(Error));
        let told = |runs, verdict| ScenarioHeadline::of(name, runs, |its| its == Some(verdict));
        if has(new, Failed) {
            let list = match (passed, failed) {
                (_, true) => &mut self.failing_in_both,
                (true, false) => &mut self.newly_failing,
                (false, false) => &mut self.failing_without_base,
            };
            list.push(told(new, Failed));
        } else if has(new, Ignored) && passed && !has(base, Ignored) {
            self.newly_refused.push(told(new, Ignored));
        } else if has(new, Passed) && failed {
            self.newly_passing.push(told(base, Failed));
        } else if passed && !has(new, Passed) && !has(new, Ignored) && erred() {
            self.newly_erring.push(told(new, Error));
        } else if (passed || failed) && !has(new, Passed) {
            self.without_result.push(ScenarioHeadline::of(name, new, |its| its != Some(Passed)));
        }
    }
}

impl ScenarioHeadline {
    /// The line of the first run whose verdict is meant.
    fn of(
        scenario: &str,
        runs: &[ComparedRun],
        is_meant: impl Fn(Option<Verdict>) -> bool,
    ) -> ScenarioHeadline {
        let played = runs.iter().filter_map(|run| run.scenarios.get(scenario));
        let meant: Vec<&str> =
            played.filter(|it| is_meant(it.verdict)).map(|it| it.headline.as_str()).collect();
        let headline = meant.first().copied().unwrap_or_default();
        let headline = match runs.len() {
            1 => headline.to_owned(),
            runs => format!("in {} of {runs} runs: {headline}", meant.len()),
        };
        ScenarioHeadline { scenario: scenario.to_owned(), headline }
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
            .ended()
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
            ("always_bad", Some(Failed)),
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
            ("always_bad", Some(Error)),
            ("unknown", Some(Failed)),
            ("good", Some(Passed)),
            ("refused", Some(Passed)),
            ("supported", Some(Ignored)),
            ("fresh", Some(Failed)),
        ]);
        let verdicts = Verdicts::of(&[base], &[new]);
        let names =
            |told: &[ScenarioHeadline]| told.iter().map(|told| told.scenario.clone()).collect::<Vec<_>>();
        assert_eq!(names(&verdicts.newly_failing), ["broken"]);
        assert_eq!(verdicts.newly_failing[0].headline, "reboot: guest vm2, round 1, source to target");
        assert_eq!(names(&verdicts.newly_refused), ["supported"]);
        assert_eq!(names(&verdicts.newly_passing), ["mended"]);
        assert_eq!(names(&verdicts.failing_in_both), ["bad"]);
        assert_eq!(names(&verdicts.failing_without_base), ["fresh", "unknown"]);
        assert_eq!(names(&verdicts.newly_erring), ["stuck"]);
        assert_eq!(names(&verdicts.without_result), ["always_bad", "cut"]);
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

    /// A pass in one of several runs has shown it, and what stopped a run says nothing of the stack.
    #[test]
    fn an_error_counts_where_nothing_else_is_known_and_nothing_stopped_the_run() {
        use Verdict::{Error, Ignored, Interrupted, Passed};
        let good = [run(&[("a", Some(Passed))])];
        let erring =
            |runs: &[ComparedRun]| Verdicts::of(&good, runs).newly_erring.into_iter().map(|it| it.headline);
        let [error, pass, refused] =
            [Error, Passed, Ignored].map(|verdict| run(&[("a", Some(verdict)), ("b", Some(Passed))]));
        assert_eq!(erring(&[error.clone(), error.clone()]).len(), 1);
        assert_eq!(erring(&[error.clone(), pass]).len(), 0);
        assert_eq!(Verdicts::of(&good, &[error, refused]).newly_refused.len(), 1);
        let cut_off = Writer::new().started("a").finished("a", Error).run();
        assert_eq!(erring(&[cut_off]).len(), 0);
        assert_eq!(erring(&[run(&[("a", Some(Error)), ("b", Some(Interrupted))])]).len(), 0);
    }
}
