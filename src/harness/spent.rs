//! Where the time of a run went, in a line or two for whoever waited for it.

use crate::record::Outcome;

/// The phases of a scenario as its numbers name them, and as people read them.
const PHASES: [(&str, &str); 6] = [
    ("migrating_s", "migrating"),
    ("loading_s", "starting and ending loads"),
    ("proving_s", "proving"),
    ("preparing_s", "preparing"),
    ("collecting_s", "collecting logs"),
    ("repairing_s", "making the fleet whole"),
];

/// Lines about the scenarios that were played; none if none was.
pub(super) fn lines(outcomes: &[Outcome]) -> Vec<String> {
    let number = |outcome: &Outcome, name: &str| outcome.numbers.get(name)?.parse::<f64>().ok();
    let sums: Vec<(f64, &str)> = PHASES
        .iter()
        .map(|(name, text)| {
            (outcomes.iter().filter_map(|outcome| number(outcome, name)).fold(0.0, |sum, s| sum + s), *text)
        })
        .collect();
    let total: f64 = sums.iter().map(|(seconds, _)| seconds).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let parts: Vec<String> =
        sums.iter().map(|(seconds, text)| format!("{:.0} % {text}", seconds / total * 100.0)).collect();
    let mut lines = vec![format!("of {total:.0} s of scenarios: {}", parts.join(", "))];
    let with_floor: Vec<(f64, f64)> = outcomes
        .iter()
        .filter_map(|outcome| Some((number(outcome, "migrating_s")?, number(outcome, "floor_s")?)))
        .collect();
    if !with_floor.is_empty() {
        let (proved, alone) =
            with_floor.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        lines.push(format!(
            "the migrations of {} scenarios took {proved:.1} s with everything around them, {alone:.1} s alone: {:.2} \
             times",
            with_floor.len(),
            proved / alone
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::record::Verdict;

    #[test]
    fn phases_are_shares_of_all() {
        let mut outcome = Outcome::new("a", Verdict::Passed, SystemTime::now());
        for (name, value) in [("migrating_s", "7.5"), ("proving_s", "2.5"), ("floor_s", "5.0")] {
            outcome.numbers.insert(name.into(), value.into());
        }
        let lines = lines(&[outcome]);
        assert!(lines[0].starts_with("of 10 s of scenarios: 75 % migrating, 0 % starting"), "{}", lines[0]);
        assert!(lines[1].contains("7.5 s with") && lines[1].contains("1.50 times"), "{}", lines[1]);
        assert_eq!(super::lines(&[]), Vec::<String>::new());
    }
}
