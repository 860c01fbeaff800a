//! What a comparison would have found.

use super::comparison::Comparison;
use super::measured::Measured;
use super::metric::Metric;
use crate::record::median;

/// The reach in a metric, in words: `one scenario from x3.10 on, a group from x2.00 (all) to x2.60 (postcopy_cross) on`.
pub(super) fn reach(comparison: &Comparison, metric: Metric) -> String {
    let found_from = |it: &Measured| (it.metric == metric).then_some(it.found_from)?;
    let single: Vec<f64> = comparison.scenarios.iter().filter_map(found_from).collect();
    let one = match median(&single) {
        Some(factor) => format!("one scenario from x{factor:.2} on"),
        None => "no scenario alone".to_owned(),
    };
    let groups = comparison.groups.iter();
    let mut groups: Vec<(f64, &str)> = groups.filter_map(|it| Some((found_from(it)?, &*it.name))).collect();
    groups.sort_by(|a, b| a.0.total_cmp(&b.0));
    let many = match groups[..] {
        [] => "no group".to_owned(),
        [(factor, name)] => format!("{name} from x{factor:.2} on"),
        [(least, first), .., (most, last)] => {
            format!("a group from x{least:.2} ({first}) to x{most:.2} ({last}) on")
        }
    };
    format!("{one}, {many}")
}
