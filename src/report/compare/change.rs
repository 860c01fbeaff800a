//! What changed beside the numbers: verdicts, the stack, the profile.

use std::collections::BTreeMap;

use serde::Serialize;

use super::run::{Played, Run};
use crate::record::Verdict;

/// A fact that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Which.
    pub name: String,
    /// Its value in BASE; null if it is not there.
    pub base: Option<String>,
    /// Its value in NEW.
    pub new: Option<String>,
}

/// The facts that are not the same, by name.
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

/// A scenario's name, and in one line what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    pub scenario: String,
    /// What was found, or why there is no verdict.
    pub headline: String,
}

/// How verdicts changed. Every list is in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Passed in BASE, failed in NEW: a regression.
    pub newly_failing: Vec<Told>,
    /// Failed in BASE, passed in NEW.
    pub newly_passing: Vec<Told>,
    /// Failed in both; the line is of NEW.
    pub failing_in_both: Vec<Told>,
    /// Failed in NEW, and BASE has neither a pass nor a failure to compare with.
    pub failing_without_base: Vec<Told>,
    /// Passed or failed in BASE, and begun in NEW without coming to that: an error of the environment, an interruption, a
    /// refusal of the stack, a run that was cut off.
    pub without_result: Vec<Told>,
    /// In BASE, and not in NEW at all.
    pub missing: Vec<String>,
    /// In NEW, and not in BASE at all.
    pub added: Vec<String>,
}

impl Verdicts {
    pub(super) fn of(base: &Run, new: &Run) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for (name, after) in &new.scenarios {
            let told = |played: &Played| Told { scenario: name.clone(), headline: played.headline.clone() };
            let before = base.scenarios.get(name);
            if before.is_none() {
                verdicts.added.push(name.clone());
            }
            match (before.and_then(|before| before.verdict), after.verdict) {
                (Some(Verdict::Passed), Some(Verdict::Failed)) => verdicts.newly_failing.push(told(after)),
                (Some(Verdict::Failed), Some(Verdict::Failed)) => verdicts.failing_in_both.push(told(after)),
                (_, Some(Verdict::Failed)) => verdicts.failing_without_base.push(told(after)),
                (Some(Verdict::Failed), Some(Verdict::Passed)) => {
                    verdicts.newly_passing.extend(before.map(told));
                }
                (Some(Verdict::Passed | Verdict::Failed), verdict) if verdict != Some(Verdict::Passed) => {
                    verdicts.without_result.push(told(after));
                }
                _ => {}
            }
        }
        let gone = base.scenarios.keys().filter(|name| !new.scenarios.contains_key(*name));
        verdicts.missing = gone.cloned().collect();
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::compare::testing::Writer;

    fn run(verdicts: &[(&str, Option<Verdict>)]) -> Run {
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
            ("fresh", Some(Failed)),
        ]);
        let verdicts = Verdicts::of(&base, &new);
        let names = |told: &[Told]| told.iter().map(|told| told.scenario.clone()).collect::<Vec<_>>();
        assert_eq!(names(&verdicts.newly_failing), ["broken"]);
        assert_eq!(verdicts.newly_failing[0].headline, "reboot: guest vm2, round 1, source to target");
        assert_eq!(names(&verdicts.newly_passing), ["mended"]);
        assert_eq!(names(&verdicts.failing_in_both), ["bad"]);
        assert_eq!(names(&verdicts.failing_without_base), ["fresh", "unknown"]);
        assert_eq!(names(&verdicts.without_result), ["cut", "stuck"]);
        assert_eq!((verdicts.missing, verdicts.added), (vec!["gone".to_owned()], vec!["fresh".to_owned()]));
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
