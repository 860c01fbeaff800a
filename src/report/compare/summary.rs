//! Summaries of several values: the middle and the tail.

use serde::Serialize;

use crate::record::{median, sorted};
use crate::report::view::percentile;

/// Values of one metric, in its unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricSummary {
    /// The number of values.
    pub count: usize,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least value that 95 % of the values do not exceed; of fewer than 20 values it is the largest.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

impl MetricSummary {
    /// Summarizes values; none without any.
    pub fn of(values: &[f64]) -> Option<MetricSummary> {
        let (sorted, median) = (sorted(values), median(values)?);
        let [p95, max] = [percentile(&sorted, 95)?, percentile(&sorted, 100)?];
        Some(MetricSummary { count: sorted.len(), median, p95, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_and_tail() {
        assert_eq!(MetricSummary::of(&[]), None);
        assert_eq!(
            MetricSummary::of(&[3.0, 1.0, 2.0, 40.0]),
            Some(MetricSummary { count: 4, median: 2.5, p95: 40.0, max: 40.0 })
        );
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            MetricSummary::of(&hundred),
            Some(MetricSummary { count: 100, median: 50.5, p95: 95.0, max: 100.0 })
        );
    }
}
