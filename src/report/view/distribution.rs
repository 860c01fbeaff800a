//! How downtimes are distributed: percentiles by clock, over all migrations and by group.

use serde::Serialize;

use super::{ALL, RunView, ScenarioView, is_in_group};
use crate::record::DowntimeClock;

/// The downtimes of a group of migrations by one clock, milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DowntimePercentiles {
    /// `postcopy_cross`, `postcopy_cross::xbzrle`, ... or `all`.
    pub group: String,
    /// The name of the clock.
    pub clock: &'static str,
    pub count: usize,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl RunView {
    /// Every group and clock that has a value: first all migrations together, then by mode, order and transport
    /// as they came.
    pub fn distributions(&self) -> Vec<DowntimePercentiles> {
        let of_scenarios: Vec<String> = self.scenarios.iter().map(ScenarioView::group).collect();
        let mut groups = vec![ALL];
        for group in &of_scenarios {
            if !groups.contains(&group.as_str()) {
                groups.push(group);
            }
        }
        let mut distributions = Vec::new();
        for group in groups {
            for clock in DowntimeClock::ALL {
                let members =
                    self.scenarios.iter().filter(|scenario| is_in_group(&scenario.outcome.scenario, group));
                // A migration that did not succeed has no end of its downtime.
                let legs = members.flat_map(ScenarioView::legs).filter(|leg| leg.leg.succeeded());
                let mut values: Vec<f64> = legs.filter_map(|leg| leg.leg.by_clock(clock)).collect();
                values.sort_by(f64::total_cmp);
                let at = |percent| percentile(&values, percent);
                if let (Some(p50), Some(p95), Some(p99), Some(max)) = (at(50), at(95), at(99), at(100)) {
                    let count = values.len();
                    distributions.push(DowntimePercentiles {
                        group: group.to_owned(),
                        clock: clock.name(),
                        count,
                        p50,
                        p95,
                        p99,
                        max,
                    });
                }
            }
        }
        distributions
    }
}

/// The smallest value that at least so many percent of the sorted values do not exceed (nearest rank): always one that was
/// measured. None of no values.
pub fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, 1.0)]
    #[case(50, 5.0)]
    #[case(51, 6.0)]
    #[case(95, 10.0)]
    #[case(100, 10.0)]
    fn a_percentile_was_measured(#[case] percent: usize, #[case] expected: f64) {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(percentile(&values, percent), Some(expected));
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7.0], 99), Some(7.0));
    }
}
