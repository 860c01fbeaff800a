//! The use of a run's time, in one or two lines.

use crate::record::{Outcome, spent_in};

/// Lines about the time of the played scenarios; none without any.
pub(super) fn lines(outcomes: &[Outcome]) -> Vec<String> {
    let sums = spent_in(outcomes.iter().map(|outcome| &outcome.numbers));
    let total: f64 = sums.iter().map(|(_, seconds)| seconds).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let parts: Vec<String> =
        sums.iter().map(|(text, seconds)| format!("{:.0} % {text}", seconds / total * 100.0)).collect();
    let mut lines = vec![format!("of {total:.0} s of scenarios: {}", parts.join(", "))];
    let with_floor: Vec<(f64, f64)> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome.numbers.migrating_s?, outcome.numbers.floor_s?)))
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
    use crate::record::{Numbers, Verdict};

    #[test]
    fn phases_are_shares_of_all() {
        let mut outcome = Outcome::new("a", Verdict::Passed, SystemTime::now());
        outcome.numbers = Numbers {
            migrating_s: Some(7.5),
            proving_s: Some(2.5),
            floor_s: Some(5.0),
            ..Numbers::default()
        };
        let lines = lines(&[outcome]);
        assert!(
            lines[0].starts_with("of 10 s of scenarios: 75 % migrating, 25 % proving, 0 %"),
            "{}",
            lines[0]
        );
        assert!(lines[1].contains("7.5 s with") && lines[1].contains("1.50 times"), "{}", lines[1]);
        assert_eq!(super::lines(&[]), Vec::<String>::new());
    }
}
