//! Tests on ranks, which ask nothing of the form of the noise: Mann-Whitney, Wilcoxon's signed ranks, and the estimate of
//! a shift that belongs to them.
//!
//! Exact also where values are tied, by counting. The crates have none that is: statrs 0.19 refuses ties, and has no test
//! on signed ranks.

use statrs::distribution::{ContinuousCDF, Normal};

use super::summary::median;

/// Up to so many values of both samples together, every way to choose ranks is counted. Beyond that the normal
/// approximation is as good, and faster.
const COUNTED_UNPAIRED: usize = 24;

/// The same for signed ranks.
const COUNTED_SIGNED: usize = 60;

/// The median of all differences of a value of `new` to a value of `base` (Hodges and Lehmann, 1963).
pub fn shift(base: &[f64], new: &[f64]) -> f64 {
    let differences: Vec<f64> = new.iter().flat_map(|new| base.iter().map(move |base| new - base)).collect();
    median(&differences)
}

/// Mann-Whitney: the probability that `new` ranks as high above `base` as it does, or higher, if both are of the same
/// distribution.
pub fn mann_whitney(base: &[f64], new: &[f64]) -> f64 {
    if base.is_empty() || new.is_empty() {
        return 1.0;
    }
    let all: Vec<f64> = new.iter().chain(base).copied().collect();
    let ranks = doubled_ranks(&all);
    let sum: usize = ranks[..new.len()].iter().sum();
    if all.len() <= COUNTED_UNPAIRED {
        return choices_with_sum(&ranks, new.len(), sum);
    }
    let (m, n) = (new.len() as f64, base.len() as f64);
    let total = m + n;
    let statistic = sum as f64 / 2.0 - m * (m + 1.0) / 2.0;
    let variance = m * n / 12.0 * (total + 1.0 - tie_term(&ranks) / (total * (total - 1.0)));
    upper_tail(statistic - m * n / 2.0, variance)
}

/// Wilcoxon's signed ranks: the probability that positive `differences` outrank negative ones as they do, or more, if
/// they are symmetrical around zero. Zeros are left out.
pub fn signed_ranks(differences: &[f64]) -> f64 {
    let differences: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    let ranks = doubled_ranks(&differences.iter().map(|difference| difference.abs()).collect::<Vec<_>>());
    let sum: usize = ranks
        .iter()
        .zip(&differences)
        .filter(|(_, difference)| **difference > 0.0)
        .map(|(rank, _)| rank)
        .sum();
    if differences.len() <= COUNTED_SIGNED {
        return signs_with_sum(&ranks, sum);
    }
    let n = differences.len() as f64;
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - tie_term(&ranks) / 48.0;
    upper_tail(sum as f64 / 2.0 - n * (n + 1.0) / 4.0, variance)
}

/// Twice the rank of each value, counted from 1; values that are equal share the mean of their ranks, which is a half.
fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let below = |value: f64| values.iter().filter(|other| **other < value).count();
    let equal = |value: f64| values.iter().filter(|other| **other == value).count();
    values.iter().map(|value| 2 * below(*value) + equal(*value) + 1).collect()
}

/// The sum of t^3 - t over the numbers t of equal ranks.
fn tie_term(ranks: &[usize]) -> f64 {
    // t^2 - 1 for every member of a tie is t^3 - t for the tie.
    ranks
        .iter()
        .map(|rank| ranks.iter().filter(|other| *other == rank).count() as f64)
        .map(|tied| tied * tied - 1.0)
        .sum()
}

/// Of all ways to choose `count` of the ranks, the share whose sum is `least` at least.
fn choices_with_sum(ranks: &[usize], count: usize, least: usize) -> f64 {
    let sums: usize = ranks.iter().sum();
    // ways[k][s]: to choose k ranks with the sum s. As floating point numbers: the largest is 24 over 12, exact.
    let mut ways = vec![vec![0.0_f64; sums + 1]; count + 1];
    ways[0][0] = 1.0;
    for rank in ranks {
        for chosen in (1..=count).rev() {
            let (fewer, more) = ways.split_at_mut(chosen);
            for sum in *rank..=sums {
                more[0][sum] += fewer[chosen - 1][sum - rank];
            }
        }
    }
    share(&ways[count], least)
}

/// Of all ways to give each rank a sign, the share in which the positive ones sum up to `least` at least.
fn signs_with_sum(ranks: &[usize], least: usize) -> f64 {
    let sums: usize = ranks.iter().sum();
    let mut ways = vec![0.0_f64; sums + 1];
    ways[0] = 1.0;
    for rank in ranks {
        for sum in (*rank..=sums).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    share(&ways, least)
}

fn share(ways: &[f64], least: usize) -> f64 {
    ways[least.min(ways.len())..].iter().sum::<f64>() / ways.iter().sum::<f64>()
}

/// Of the normal distribution, with the correction for what comes in whole ranks.
fn upper_tail(above_mean: f64, variance: f64) -> f64 {
    if variance <= 0.0 {
        return 1.0;
    }
    Normal::standard().sf((above_mean - 0.5) / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn numbers(values: impl IntoIterator<Item = i32>) -> Vec<f64> {
        values.into_iter().map(f64::from).collect()
    }

    fn assert_close(seen: f64, expected: f64) {
        assert!((seen - expected).abs() < 1e-9, "{seen} is not {expected}");
    }

    /// `scipy.stats.mannwhitneyu(new, base, alternative="greater", method="exact")`, SciPy 1.17.1; with ties
    /// `scipy.stats.permutation_test` over all ways to divide the values.
    #[rstest]
    #[case::documentation([20, 11, 17, 12].to_vec(), [19, 22, 16, 29, 24].to_vec(), 0.05555555555555555)]
    #[case::the_other_way([19, 22, 16, 29, 24].to_vec(), [20, 11, 17, 12].to_vec(), 0.9682539682539683)]
    #[case::apart((1..=6).collect(), (7..=12).collect(), 0.0010822510822510823)]
    #[case::ties([1, 1, 2, 2, 3, 4].to_vec(), [1, 2, 2, 3, 5, 5].to_vec(), 0.20995670995670995)]
    #[case::all_equal(vec![7; 6], vec![7; 6], 1.0)]
    fn few_legs_are_counted(#[case] base: Vec<i32>, #[case] new: Vec<i32>, #[case] p: f64) {
        assert_close(mann_whitney(&numbers(base), &numbers(new)), p);
    }

    /// The same with `method="asymptotic"`.
    #[test]
    fn many_legs_are_approximated() {
        let base: Vec<f64> = (-5..30).map(|value| f64::from(value) + 0.5).collect();
        assert_close(mann_whitney(&base, &numbers(1..41)), 0.002485094538765699);
        let thirds = |range: std::ops::Range<i32>| numbers(range.map(|value| value.div_euclid(3)));
        assert_close(mann_whitney(&thirds(-9..30), &thirds(0..45)), 6.222815514032654e-05);
        assert_eq!(mann_whitney(&[7.0; 20], &[7.0; 20]), 1.0);
        assert_eq!(mann_whitney(&[], &[7.0]), 1.0);
    }

    /// `scipy.stats.wilcoxon(differences, alternative="greater", method="exact")`, SciPy 1.17.1; the first is the example
    /// of its documentation; with ties by `scipy.stats.PermutationMethod` over all signs.
    #[rstest]
    #[case::documentation(&[6.0, 8.0, 14.0, 16.0, 23.0, 24.0, 28.0, 29.0, 41.0, -48.0, 49.0, 56.0, 60.0, -67.0, 75.0], 0.0206298828125)]
    #[case::all_up(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.015625)]
    #[case::mixed(&[1.5, -0.5, 2.5, 3.5, -4.5, 5.5, 6.5, 0.25], 0.09765625)]
    #[case::ties(&[1.0, 1.0, -1.0, 2.0, 2.0, 3.0, -2.0, 4.0], 0.08203125)]
    #[case::zeros_are_left_out(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0], 0.015625)]
    #[case::nothing(&[0.0], 1.0)]
    fn few_scenarios_are_counted(#[case] differences: &[f64], #[case] p: f64) {
        assert_close(signed_ranks(differences), p);
    }

    /// The same with 60 and with `method="asymptotic", correction=True`.
    #[test]
    fn many_scenarios_are_approximated() {
        let signed = |halves: i32| -> Vec<f64> {
            (1..=60).map(|i| (f64::from(i / halves) + 0.5) * if i % 3 == 0 { -1.0 } else { 1.0 }).collect()
        };
        assert_close(signed_ranks(&signed(1)), 0.017781586892383183);
        let mut more = signed(1);
        more.push(60.5 + 0.5);
        let exact = signs_with_sum(&doubled_ranks(&more.iter().map(|d| d.abs()).collect::<Vec<_>>()), {
            let ranks = doubled_ranks(&more.iter().map(|d| d.abs()).collect::<Vec<_>>());
            ranks.iter().zip(&more).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum()
        });
        assert!((signed_ranks(&more) - exact).abs() < 0.001, "{} {exact}", signed_ranks(&more));
    }

    #[test]
    fn the_shift_is_the_middle_of_all_differences() {
        assert_eq!(shift(&[1.0, 2.0, 3.0], &[11.0, 12.0, 113.0]), 10.0);
    }
}
