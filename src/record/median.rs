//! The middle of several numbers.

/// The median of sorted numbers: the middle one, or the mean of the two in the middle. None without numbers.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.len() / 2;
    let one = *sorted.get(upper)?;
    Some(if sorted.len() % 2 == 1 { one } else { f64::midpoint(sorted[upper - 1], one) })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], None)]
    #[case(&[3.0], Some(3.0))]
    #[case(&[1.0, 4.0], Some(2.5))]
    #[case(&[1.0, 2.0, 40.0], Some(2.0))]
    #[case(&[1.0, 2.0, 3.0, 40.0], Some(2.5))]
    fn as_many_numbers_are_above_as_below(#[case] sorted: &[f64], #[case] expected: Option<f64>) {
        assert_eq!(median(sorted), expected);
    }
}
