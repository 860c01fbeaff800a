//! The sides of a comparison: which runs form a side, and which sides can be compared.

use std::collections::{BTreeMap, BTreeSet};

use super::fact::facts;
use super::run::ComparedRun;
use crate::record::Verdict;

/// Why runs cannot be compared: which they are, and what to give instead.
#[derive(Debug, thiserror::Error)]
#[error("cannot {0}")]
pub struct Refusal(String);

/// Refuses runs that cannot be compared: a run that is given twice, which would make chance look sure; runs of one side that
/// differ in their profiles; sides without a common scenario; and a NEW that shows nothing of what BASE has shown, since
/// every scenario has an error there, or was cut off.
pub(super) fn check(base: &[ComparedRun], new: &[ComparedRun]) -> Result<(), Refusal> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for run in base.iter().chain(new) {
        for name in &run.made_of {
            if let Some(first) = seen.insert(name, &run.summary.path) {
                return Err(Refusal(format!(
                    "compare: the run {name} is given twice, in {first} and in {}; give every run once",
                    run.summary.path
                )));
            }
        }
    }
    one_profile(base)?;
    one_profile(new)?;
    let [base_names, new_names] = [base, new].map(scenarios);
    if base_names.is_disjoint(&new_names) {
        let [base, new] = [base, new]
            .map(|runs| runs.iter().map(|run| run.summary.path.as_str()).collect::<Vec<_>>().join(", "));
        return Err(Refusal(format!(
            "compare {base} with {new}: they have no scenario in common ({} and {} scenarios); give runs of the same \
             selection",
            base_names.len(),
            new_names.len()
        )));
    }
    shows_something(base, new)
}

/// Refuses a NEW in which no scenario passed, failed or was refused by the stack that passed or failed in BASE.
fn shows_something(base: &[ComparedRun], new: &[ComparedRun]) -> Result<(), Refusal> {
    let shown = shown(base);
    let is_known =
        |name: &str| new.iter().any(|run| run.has_shown(name) || run.verdict(name) == Some(Verdict::Ignored));
    if shown.iter().any(|name| is_known(name)) {
        return Ok(());
    }
    let why = match shown.len() {
        0 => "no scenario passed or failed in BASE, so that there is nothing to compare with".to_owned(),
        1 => "the scenario that passed or failed in BASE has neither passed nor failed in NEW".to_owned(),
        all => format!("none of the {all} scenarios that passed or failed in BASE did so in NEW"),
    };
    let begun = |name: &&str| new.iter().find_map(|run| run.scenarios.get(*name));
    let example = shown.iter().find_map(|name| Some(format!(" ({name}: {})", begun(name)?.headline)));
    Err(Refusal(format!(
        "compare: {why}{}; this says nothing of NEW's stack, play the scenarios again",
        example.unwrap_or_default()
    )))
}

fn one_profile(runs: &[ComparedRun]) -> Result<(), Refusal> {
    let Some((first, others)) = runs.split_first() else { return Ok(()) };
    for other in others {
        let differing: Vec<String> =
            facts(&first.profile, &other.profile).iter().map(ToString::to_string).collect();
        if !differing.is_empty() {
            return Err(Refusal(format!(
                "take {} and {} for one side: their profiles differ ({}); give runs of one profile for a side",
                first.summary.path,
                other.summary.path,
                differing.join(", ")
            )));
        }
    }
    Ok(())
}

/// The names of all scenarios of these runs.
pub(super) fn scenarios(runs: &[ComparedRun]) -> BTreeSet<&str> {
    runs.iter().flat_map(|run| run.scenarios.keys().map(String::as_str)).collect()
}

/// The names of the scenarios that passed or failed in one of these runs.
pub(super) fn shown(runs: &[ComparedRun]) -> BTreeSet<&str> {
    scenarios(runs).into_iter().filter(|name| runs.iter().any(|run| run.has_shown(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::compare::testing::{Writer, named, passed};

    fn refused(base: &[ComparedRun], new: &[ComparedRun]) -> String {
        check(base, new).unwrap_err().to_string()
    }

    #[test]
    fn a_run_counts_once() {
        let (a, b, c) = (passed("a", &["x"]), passed("b", &["x"]), passed("c", &["x"]));
        assert!(check(&[a.clone(), b.clone()], std::slice::from_ref(&c)).is_ok());
        assert!(
            refused(&[a.clone(), b.clone()], std::slice::from_ref(&a)).contains("the run a is given twice")
        );
        let merged =
            ComparedRun { made_of: ["b".to_owned(), "d".to_owned()].into(), ..passed("merged", &["x"]) };
        let told = refused(&[a, b], &[c, merged]);
        assert!(told.contains("the run b is given twice, in results/b and in results/merged"), "{told}");
    }

    #[test]
    fn runs_of_a_side_did_the_same() {
        let (a, mut b, c) = (passed("a", &["x"]), passed("b", &["x"]), passed("c", &["x"]));
        b.profile.insert("guests".into(), "9".into());
        let told = refused(std::slice::from_ref(&c), &[a.clone(), b.clone()]);
        assert!(told.contains("results/a and results/b") && told.contains("guests: 3 -> 9"), "{told}");
        assert!(check(&[a, c], &[b]).is_ok(), "between the sides the comparison tells it");
    }

    #[test]
    fn sides_have_something_in_common() {
        let told = refused(&[passed("a", &["x"]), passed("b", &["y"])], &[passed("c", &["z"])]);
        assert!(told.contains("no scenario in common (2 and 1 scenarios)"), "{told}");
        assert!(check(&[passed("a", &["x"]), passed("b", &["y"])], &[passed("c", &["y"])]).is_ok());
    }

    #[test]
    fn new_shows_something_of_what_base_has_shown() {
        let run = |name: &str, verdict: Verdict| {
            named(Writer::new().started("x").finished("x", verdict).ended().run(), name)
        };
        let [good, bad] = [run("good", Verdict::Passed), run("bad", Verdict::Failed)];
        for verdict in [Verdict::Error, Verdict::Interrupted, Verdict::NotRun] {
            let told = refused(&[good.clone(), bad.clone()], &[run("new", verdict)]);
            assert!(told.contains("the scenario that passed or failed in BASE has neither"), "{told}");
        }
        let cut_off = named(Writer::new().started("x").run(), "new");
        let told = refused(&[passed("good", &["w", "x"])], std::slice::from_ref(&cut_off));
        let expected = "none of the 2 scenarios that passed or failed in BASE did so in NEW (x: begun, and without an end)";
        assert!(told.contains(expected), "{told}");
        assert!(
            refused(std::slice::from_ref(&cut_off), std::slice::from_ref(&good))
                .contains("no scenario passed or failed in BASE")
        );

        for verdict in [Verdict::Passed, Verdict::Failed, Verdict::Ignored] {
            check(&[good.clone(), bad.clone()], &[cut_off.clone(), run("other", verdict)]).unwrap();
        }
    }
}
