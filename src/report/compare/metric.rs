//! The metrics of a comparison: their units, and the least differences that matter.

use serde::Serialize;

use crate::record::RecordedLeg;

/// A number that every leg has. More is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The downtime in milliseconds, by the comparison's clock.
    Downtime,
    /// From libvirt's call to its return, milliseconds.
    TotalTime,
    /// `memory_processed` of libvirt's statistics of the completed job, bytes.
    DataVolume,
}

impl Metric {
    pub const ALL: [Metric; 3] = [Metric::Downtime, Metric::TotalTime, Metric::DataVolume];

    /// The value of a leg; none if the record lacks it.
    pub fn of(self, leg: &RecordedLeg, clock: DowntimeClock) -> Option<f64> {
        match (self, clock) {
            (Metric::TotalTime, _) => leg.duration_ms(),
            (Metric::DataVolume, _) => leg.volume().map(|(bytes, _)| bytes),
            (Metric::Downtime, DowntimeClock::Reported) => leg.reported_ms(),
            (Metric::Downtime, DowntimeClock::Libvirt) => leg.libvirt_ms(),
        }
    }

    /// The metric's name for people.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Downtime => "downtime",
            Metric::TotalTime => "total time",
            Metric::DataVolume => "data volume",
        }
    }

    /// The least factor of a claim, however significant: a busy machine causes smaller ones for a whole run. In four runs of
    /// three scenarios within four minutes, the medians of total time differed by factors of 1.5, 1.7 and 2.3.
    pub fn least_factor(self) -> f64 {
        match self {
            Metric::Downtime | Metric::TotalTime => 2.0,
            Metric::DataVolume => 1.25,
        }
    }

    /// The least difference that matters, whatever the factor, in the metric's unit. For the downtime it is five intervals
    /// of the network probe in the profile `lab`: a single lost probe is no regression.
    pub fn least_difference(self) -> f64 {
        match self {
            Metric::Downtime => 50.0,
            Metric::TotalTime => 250.0,
            Metric::DataVolume => 16.0 * 1024.0 * 1024.0,
        }
    }

    /// The resolution of the measurement: smaller values count as this, so that they have a logarithm.
    pub fn least_value(self) -> f64 {
        1.0
    }

    /// A value with its unit, in three digits.
    pub fn show(self, value: f64) -> String {
        match self {
            Metric::Downtime | Metric::TotalTime => milliseconds(value),
            Metric::DataVolume => format!("{} MiB", digits(value / 1024.0 / 1024.0)),
        }
    }

    /// [`Metric::least_factor`] and [`Metric::least_difference`] in words.
    pub fn show_least(self) -> String {
        format!("{:.0} % and {}", (self.least_factor() - 1.0) * 100.0, self.show(self.least_difference()))
    }

    /// The logarithm of the least factor that matters for a change of `median`.
    pub(super) fn least_shift(self, median: f64) -> f64 {
        let median = median.max(self.least_value());
        self.least_factor().max(1.0 + self.least_difference() / median).ln()
    }
}

/// A time in a suitable unit.
pub(super) fn milliseconds(value: f64) -> String {
    if value < 1000.0 { format!("{} ms", digits(value)) } else { format!("{} s", digits(value / 1000.0)) }
}

/// Three significant digits without an exponent.
fn digits(value: f64) -> String {
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

/// The clock of the compared downtimes. Both sides use one clock, or the comparison would be about the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DowntimeClock {
    /// `reported_ms` of the `downtime` events: the silence of the guest's network.
    Reported,
    /// `downtime` of libvirt's statistics of the completed job, for a record without `downtime` events.
    Libvirt,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Metric::Downtime, 6.5, "6.50 ms")]
    #[case(Metric::Downtime, 999.0, "999 ms")]
    #[case(Metric::TotalTime, 12_345.0, "12.3 s")]
    #[case(Metric::TotalTime, 1_234_567.0, "1235 s")]
    #[case(Metric::DataVolume, 150.0 * 1_048_576.0, "150 MiB")]
    fn values_have_units(#[case] metric: Metric, #[case] value: f64, #[case] shown: &str) {
        assert_eq!(metric.show(value), shown);
    }

    #[test]
    fn a_small_value_must_change_by_an_amount_and_a_large_one_by_a_factor() {
        assert_eq!(Metric::Downtime.least_shift(10.0), 6.0_f64.ln());
        assert_eq!(Metric::Downtime.least_shift(1000.0), 2.0_f64.ln());
        assert_eq!(Metric::Downtime.show_least(), "100 % and 50.0 ms");
    }
}
