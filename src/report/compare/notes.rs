//! Sentences about the records of a comparison that a reader must know, and the stack of a side.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::metric::Metric;
use super::run::ComparedRun;
use super::side::scenarios;

/// The stack of a side. A fact that differs between the runs has all values, the most frequent first.
pub(super) fn stack(runs: &[ComparedRun]) -> BTreeMap<String, String> {
    let mut values: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (name, value) in runs.iter().flat_map(|run| &run.stack) {
        *values.entry(name).or_default().entry(value).or_default() += 1;
    }
    let shown = |counts: BTreeMap<&str, usize>| {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| Reverse(*count));
        let one = |(value, count): &(&str, usize)| match *count == runs.len() {
            true => (*value).to_owned(),
            false => format!("{value} in {count} of {}", runs.len()),
        };
        counts.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    values.into_iter().map(|(name, counts)| (name.to_owned(), shown(counts))).collect()
}

/// Sentences about the records, whose downtimes are compared by this metric.
pub(super) fn notes(base: &[ComparedRun], new: &[ComparedRun], downtime: Metric) -> Vec<String> {
    let is_libvirts = downtime == Metric::LibvirtDowntime;
    let mut notes = Vec::new();
    if is_libvirts {
        let which = match [base, new].map(|runs| runs.iter().all(ComparedRun::has_downtimes)) {
            [false, true] => "BASE has no",
            [true, false] => "NEW has no",
            _ => "Neither side has",
        };
        notes.push(format!(
            "{which} downtime events in every run: the downtimes are libvirt's own, which are not what guests and clients felt."
        ));
    }
    for (side, runs) in [("BASE", base), ("NEW", new)] {
        let impossible: usize = runs.iter().map(|run| run.impossible_downtimes).sum();
        if is_libvirts && impossible > 0 {
            notes.push(format!(
                "{impossible} of libvirt's downtimes in {side} are longer than their migrations, and left out."
            ));
        }
        notes.extend(of_side(side, runs));
    }
    notes
}

fn of_side(side: &str, runs: &[ComparedRun]) -> Vec<String> {
    let mut notes = Vec::new();
    for run in runs.iter().filter(|run| !run.summary.ended) {
        notes.push(format!(
            "{} ({side}) has no end: it was cut off, or is still under way.",
            run.summary.path
        ));
    }
    for (run, lost) in runs.iter().filter_map(|run| Some((run, run.lost.as_ref()?))) {
        notes.push(format!("The record of {} ({side}) is not whole: {lost}.", run.summary.path));
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
    use crate::record::LostLines;
    use crate::report::compare::testing::passed;

    #[test]
    fn what_differs_within_a_side_is_told() {
        let (a, mut b, c) = (passed("a", &["x", "y"]), passed("b", &["x"]), passed("c", &["x", "y"]));
        b.stack.insert("source.qemu".into(), "9.2".into());
        b.summary.ended = false;
        b.lost = Some(LostLines {
            lines: [("leg_finished".into(), 2)].into(),
            from_t_ms: 1000,
            to_t_ms: 2500,
            why: "no space".into(),
        });
        let base = [a, b, c];
        assert_eq!(stack(&base)["source.qemu"], "10.0.13 in 2 of 3, 9.2 in 1 of 3");
        let notes = notes(&base, &[passed("d", &["x", "y"])], Metric::Downtime);
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
