//! The middle of several numbers.

/// The median: the middle one, or the mean of the two in the middle. None without numbers.
pub fn median(numbers: &[f64]) -> Option<f64> {
    let sorted = sorted(numbers);
    let upper = sorted.len() / 2;
    let one = *sorted.get(upper)?;
    Some(if sorted.len() % 2 == 1 { one } else { f64::midpoint(sorted[upper - 1], one) })
}

/// The numbers in ascending order.
pub fn sorted(numbers: &[f64]) -> Vec<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], None)]
    #[case(&[3.0], Some(3.0))]
    #[case(&[4.0, 1.0], Some(2.5))]
    #[case(&[40.0, 1.0, 2.0], Some(2.0))]
    #[case(&[2.0, 40.0, 1.0, 3.0], Some(2.5))]
    fn as_many_numbers_are_above_as_below(#[case] numbers: &[f64], #[case] expected: Option<f64>) {
        assert_eq!(median(numbers), expected);
    }
}
