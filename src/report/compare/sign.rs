//! The test over scenarios, for fewer runs than the test over runs needs: it asks how often a coin would show so many heads.

/// The probability of at least this number of heads in this number of throws.
pub fn heads(heads: usize, throws: usize) -> f64 {
    // The probabilities of all numbers of heads, after each throw.
    let mut chances = vec![1.0];
    for _ in 0..throws {
        let mut next = vec![0.0; chances.len() + 1];
        for (heads, chance) in chances.iter().enumerate() {
            next[heads] += chance / 2.0;
            next[heads + 1] += chance / 2.0;
        }
        chances = next;
    }
    chances.iter().skip(heads).sum::<f64>().min(1.0)
}

/// Holm's correction for several tests (Holm, 1979). Compared with a level, the corrected probabilities make any wrong claim
/// only with the level's probability.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut corrected = vec![1.0; p.len()];
    let mut least: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        least = least.max(p[index] * (p.len() - rank) as f64).min(1.0);
        corrected[index] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins() {
        assert_eq!([heads(0, 0), heads(0, 5), heads(5, 5), heads(4, 5)], [1.0, 1.0, 1.0 / 32.0, 6.0 / 32.0]);
        // By Python's integers: sum(comb(72, k) for k in range(50, 73)) / 2**72, and with 200 of 400.
        assert!((heads(50, 72) - 0.000_646_792_481_338_144).abs() < 1e-12, "{}", heads(50, 72));
        assert!((heads(200, 400) - 0.519_934_650_981_895_5).abs() < 1e-12, "{}", heads(200, 400));
    }

    /// The example of Benjamini and Hochberg (1995), section 3.2: of these 15, Bonferroni and Holm call three significant.
    const P: [f64; 15] = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
        0.6528, 0.7590, 1.0000,
    ];

    #[test]
    fn as_in_the_paper() {
        let corrected = holm(&P);
        assert_eq!(corrected.iter().filter(|p| **p <= 0.05).count(), 3);
        assert!((corrected[0] - 0.0015).abs() < 1e-12 && corrected.is_sorted());
        let reversed: Vec<f64> = P.iter().rev().copied().collect();
        assert_eq!(
            holm(&reversed).into_iter().rev().collect::<Vec<_>>(),
            corrected,
            "the order does not matter"
        );
        assert!(holm(&[]).is_empty());
    }
}
