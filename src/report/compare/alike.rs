//! Metrics in which nearly all scenarios moved alike: a slower machine does that as well as a slower stack.

use super::judge::LEAST_GROUP;
use super::measured::Measured;
use super::metric::Metric;
use crate::record::{median, sorted};

/// The sentence about a metric that moved alike: nine of ten scenarios moved in the direction of their median, which is a
/// tenth at least, and the middle half of them lies within a factor of 1.75 of it, as far as equal runs scatter.
pub(super) fn alike(scenarios: &[Measured], metric: Metric) -> Option<String> {
    let of_metric = scenarios.iter().filter(|it| it.metric == metric);
    let shifts = sorted(&of_metric.map(|it| it.factor.ln()).collect::<Vec<_>>());
    let middle = median(&shifts).filter(|_| shifts.len() >= LEAST_GROUP)?;
    let quarter = shifts.len() / 4;
    let middle_half = [shifts[quarter], shifts[shifts.len() - 1 - quarter]];
    let moved = shifts.iter().filter(|shift| **shift * middle > 0.0).count();
    let near = middle_half.iter().all(|shift| (shift - middle).abs() <= 1.75_f64.ln());
    let found = middle.abs() >= 1.1_f64.ln() && moved * 10 >= shifts.len() * 9 && near;
    found.then(|| {
        let [from, to] = middle_half.map(f64::exp);
        format!(
            "{} x{:.2} in the median, x{from:.2} to x{to:.2} in the middle half, {moved} of {} scenarios in this direction",
            metric.name(),
            middle.exp(),
            shifts.len()
        )
    })
}
