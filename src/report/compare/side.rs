//! The sides of a comparison: which runs form a side, their stacks, and notes for the reader.

use std::collections::{BTreeMap, BTreeSet};

use super::change::facts;
use super::metric::DowntimeClock;
use super::run::ComparedRun;
use crate::record::ReportError;

/// Refused runs. The text says which, and what to give instead.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A record cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReportError),
    /// A run is given twice. Counted twice, it would make chance look sure.
    #[error("cannot compare: the run {run} is given twice, in {first} and in {second}; give every run once")]
    Twice { run: String, first: String, second: String },
    /// Runs of one side differ in their profiles.
    #[error(
        "cannot take {first} and {second} for one side: their profiles differ ({differences}); give runs of one profile \
         for a side"
    )]
    Profiles { first: String, second: String, differences: String },
    /// No scenario is on both sides.
    #[error(
        "cannot compare {base} with {new}: they have no scenario in common ({base_count} and {new_count} scenarios); give \
         runs of the same selection"
    )]
    NothingInCommon { base: String, new: String, base_count: usize, new_count: usize },
}

/// Refuses runs that cannot be compared.
pub fn check(base: &[ComparedRun], new: &[ComparedRun]) -> Result<(), Refusal> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for run in base.iter().chain(new) {
        for name in &run.made_of {
            if let Some(first) = seen.insert(name, &run.path) {
                let (first, second) = (first.to_owned(), run.path.clone());
                return Err(Refusal::Twice { run: name.clone(), first, second });
            }
        }
    }
    one_profile(base)?;
    one_profile(new)?;
    let (base_names, new_names) = (scenarios(base), scenarios(new));
    if base_names.is_disjoint(&new_names) {
        let paths =
            |runs: &[ComparedRun]| runs.iter().map(|run| run.path.clone()).collect::<Vec<_>>().join(", ");
        let (base_count, new_count) = (base_names.len(), new_names.len());
        return Err(Refusal::NothingInCommon { base: paths(base), new: paths(new), base_count, new_count });
    }
    Ok(())
}

fn one_profile(runs: &[ComparedRun]) -> Result<(), Refusal> {
    let Some((first, others)) = runs.split_first() else { return Ok(()) };
    for other in others {
        let differing = facts(&first.profile, &other.profile);
        if !differing.is_empty() {
            let differences = differing.iter().map(|fact| fact.to_string()).collect::<Vec<_>>().join(", ");
            let (first, second) = (first.path.clone(), other.path.clone());
            return Err(Refusal::Profiles { first, second, differences });
        }
    }
    Ok(())
}

/// The names of all scenarios of these runs.
pub fn scenarios(runs: &[ComparedRun]) -> BTreeSet<&str> {
    runs.iter().flat_map(|run| run.scenarios.keys().map(String::as_str)).collect()
}

/// The stack of a side. A fact that differs between the runs has all values, the most frequent first.
pub fn stack(runs: &[ComparedRun]) -> BTreeMap<String, String> {
    let mut values: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (name, value) in runs.iter().flat_map(|run| &run.stack) {
        *values.entry(name).or_default().entry(value).or_default() += 1;
    }
    let shown = |counts: BTreeMap<&str, usize>| {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        match counts[..] {
            [(value, count)] if count == runs.len() => value.to_owned(),
            _ => counts
                .iter()
                .map(|(value, count)| format!("{value} in {count} of {}", runs.len()))
                .collect::<Vec<_>>()
                .join(", "),
        }
    };
    values.into_iter().map(|(name, counts)| (name.to_owned(), shown(counts))).collect()
}

/// Sentences about the records that a reader must know.
pub fn notes(base: &[ComparedRun], new: &[ComparedRun], clock: DowntimeClock) -> Vec<String> {
    let mut notes = Vec::new();
    if clock == DowntimeClock::Libvirt {
        notes.push(without_downtimes(base, new));
    }
    for (side, runs) in [("BASE", base), ("NEW", new)] {
        notes.extend(of_side(side, runs, clock));
    }
    notes
}

fn without_downtimes(base: &[ComparedRun], new: &[ComparedRun]) -> String {
    let is_without = |runs: &[ComparedRun]| runs.iter().any(|run| !run.has_downtimes);
    let which = match (is_without(base), is_without(new)) {
        (true, false) => "BASE has no",
        (false, true) => "NEW has no",
        _ => "Neither side has",
    };
    format!(
        "{which} downtime events in every run: the downtimes are libvirt's own, which are not what guests and clients felt."
    )
}

fn of_side(side: &str, runs: &[ComparedRun], clock: DowntimeClock) -> Vec<String> {
    let mut notes = Vec::new();
    let impossible: usize = runs.iter().map(|run| run.impossible_downtimes).sum();
    if clock == DowntimeClock::Libvirt && impossible > 0 {
        notes.push(format!(
            "{impossible} of libvirt's downtimes in {side} are longer than their migrations, and left out."
        ));
    }
    for run in runs.iter().filter(|run| !run.ended) {
        notes.push(format!("{} ({side}) has no end: it was cut off, or is still under way.", run.path));
    }
    for (run, lost) in runs.iter().filter_map(|run| Some((run, run.lost.as_ref()?))) {
        notes.push(format!("The record of {} ({side}) is not whole: {lost}.", run.path));
    }
    let differing: Vec<String> = stack(runs)
        .into_iter()
        .filter(|(name, value)| runs.iter().any(|run| run.stack.get(name) != Some(value)))
        .map(|(name, value)| format!("{name} is {value}"))
        .collect();
    if !differing.is_empty() {
        notes.push(format!(
            "THE RUNS OF {side} ARE NOT OF ONE STACK ({}): what differs between them counts as scatter.",
            differing.join("; ")
        ));
    }
    let names = scenarios(runs);
    let in_some =
        names.iter().filter(|name| runs.iter().any(|run| !run.scenarios.contains_key(**name))).count();
    if in_some > 0 {
        notes.push(format!(
            "{in_some} of {} scenarios are not in every run of {side}: the runs that have them count.",
            names.len()
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{LostLines, Verdict};
    use crate::report::compare::testing::Writer;

    fn run(name: &str, scenarios: &[&str]) -> ComparedRun {
        let played = |run: Writer, scenario: &&str| run.started(scenario).finished(scenario, Verdict::Passed);
        let run = scenarios.iter().fold(Writer::new(), played).run();
        ComparedRun {
            name: name.into(),
            path: format!("results/{name}"),
            made_of: [name.to_owned()].into(),
            ended: true,
            ..run
        }
    }

    fn refused(base: &[ComparedRun], new: &[ComparedRun]) -> String {
        check(base, new).unwrap_err().to_string()
    }

    #[test]
    fn a_run_counts_once() {
        let (a, b, c) = (run("a", &["x"]), run("b", &["x"]), run("c", &["x"]));
        assert!(check(&[a.clone(), b.clone()], std::slice::from_ref(&c)).is_ok());
        assert!(
            refused(&[a.clone(), b.clone()], std::slice::from_ref(&a)).contains("the run a is given twice")
        );
        let merged =
            ComparedRun { made_of: ["b".to_owned(), "d".to_owned()].into(), ..run("merged", &["x"]) };
        let told = refused(&[a, b], &[c, merged]);
        assert!(told.contains("the run b is given twice, in results/b and in results/merged"), "{told}");
    }

    #[test]
    fn runs_of_a_side_did_the_same() {
        let (a, mut b, c) = (run("a", &["x"]), run("b", &["x"]), run("c", &["x"]));
        b.profile.insert("guests".into(), "9".into());
        let told = refused(std::slice::from_ref(&c), &[a.clone(), b.clone()]);
        assert!(told.contains("results/a and results/b") && told.contains("guests: 3 -> 9"), "{told}");
        assert!(check(&[a, c], &[b]).is_ok(), "between the sides the comparison tells it");
    }

    #[test]
    fn sides_have_something_in_common() {
        let told = refused(&[run("a", &["x"]), run("b", &["y"])], &[run("c", &["z"])]);
        assert!(told.contains("no scenario in common (2 and 1 scenarios)"), "{told}");
        assert!(check(&[run("a", &["x"]), run("b", &["y"])], &[run("c", &["y"])]).is_ok());
    }

    #[test]
    fn what_differs_within_a_side_is_told() {
        let (a, mut b, c) = (run("a", &["x", "y"]), run("b", &["x"]), run("c", &["x", "y"]));
        b.stack.insert("source.qemu".into(), "9.2".into());
        b.ended = false;
        b.lost = Some(LostLines {
            lines: [("leg_finished".into(), 2)].into(),
            from_t_ms: 1000,
            to_t_ms: 2500,
            why: "no space".into(),
        });
        let base = [a, b, c];
        assert_eq!(stack(&base)["source.qemu"], "10.0.13 in 2 of 3, 9.2 in 1 of 3");
        let notes = notes(&base, &[run("d", &["x", "y"])], DowntimeClock::Reported);
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert!(notes[0].starts_with("results/b (BASE) has no end"), "{notes:?}");
        let lost = "The record of results/b (BASE) is not whole: 2 of its lines are missing (2 leg_finished), due 1.0 to 2.5 s";
        assert!(notes[1].starts_with(lost), "{notes:?}");
        assert!(
            notes[2].contains("BASE ARE NOT OF ONE STACK (source.qemu is 10.0.13 in 2 of 3"),
            "{notes:?}"
        );
        assert!(notes[3].starts_with("1 of 2 scenarios are not in every run of BASE"), "{notes:?}");
    }
}
