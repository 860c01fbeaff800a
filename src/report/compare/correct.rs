//! Many tests at once: which of them are significant when one may be wrong in all, or a share of what is claimed.

/// Holm's step-down procedure: with this probability at most one claim or more is wrong. True where the test is significant.
pub fn holm(p: &[f64], level: f64) -> Vec<bool> {
    let mut significant = vec![false; p.len()];
    for (rank, index) in ascending(p).into_iter().enumerate() {
        if p[index] > level / (p.len() - rank) as f64 {
            break;
        }
        significant[index] = true;
    }
    significant
}

/// Benjamini and Hochberg's step-up procedure: of what is claimed, this share is wrong on average; if nothing is true, that is
/// the probability of a claim. True where the test is significant.
pub fn benjamini_hochberg(p: &[f64], level: f64) -> Vec<bool> {
    let order = ascending(p);
    let passes = |rank: usize| p[order[rank]] <= level * (rank + 1) as f64 / p.len() as f64;
    let count = (0..p.len()).rev().find(|rank| passes(*rank)).map_or(0, |rank| rank + 1);
    let mut significant = vec![false; p.len()];
    for index in &order[..count] {
        significant[*index] = true;
    }
    significant
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Benjamini and Hochberg (1995), section 3.2, "Controlling the False Discovery Rate", Journal of the
    /// Royal Statistical Society B 57: of these 15, four are significant by their procedure at 0.05, and three by Bonferroni.
    const P: [f64; 15] = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
        0.6528, 0.7590, 1.0000,
    ];

    #[test]
    fn as_in_the_paper() {
        assert_eq!(benjamini_hochberg(&P, 0.05).iter().filter(|it| **it).count(), 4);
        assert_eq!(holm(&P, 0.05).iter().filter(|it| **it).count(), 3);
    }

    #[test]
    fn the_order_does_not_matter() {
        let reversed: Vec<f64> = P.iter().rev().copied().collect();
        assert_eq!(benjamini_hochberg(&reversed, 0.05)[11..], [true; 4]);
        assert_eq!(holm(&reversed, 0.05)[12..], [true; 3]);
        assert!(benjamini_hochberg(&[], 0.05).is_empty() && holm(&[], 0.05).is_empty());
    }
}
