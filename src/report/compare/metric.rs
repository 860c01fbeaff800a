//! The metrics of a comparison: their units, and the least differences that matter.

use serde::Serialize;

use crate::record::{DowntimeClock, RecordedLeg};

/// A number of a leg, or of a play. More is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// `reported_ms` of the `downtime` events, milliseconds: the silence of the guest's network.
    Downtime,
    /// `downtime` of libvirt's statistics of the completed job, milliseconds. It stands for the reported downtime on both
    /// sides if a record lacks `downtime` events; otherwise a comparison would be about the clocks.
    LibvirtDowntime,
    /// From libvirt's call to its return, milliseconds.
    TotalTime,
    /// `memory_processed` of libvirt's statistics of the completed job, bytes.
    DataVolume,
    /// The duration of a play, milliseconds. Shown, not judged.
    WallTime,
}

impl Metric {
    pub const ALL: [Metric; 5] =
        [Metric::Downtime, Metric::LibvirtDowntime, Metric::TotalTime, Metric::DataVolume, Metric::WallTime];

    /// The value of a leg; none if the record lacks it.
    pub(super) fn of(self, leg: &RecordedLeg) -> Option<f64> {
        match self {
            Metric::Downtime => leg.by_clock(DowntimeClock::Reported),
            Metric::LibvirtDowntime => leg.by_clock(DowntimeClock::Libvirt),
            Metric::TotalTime => leg.duration_ms(),
            Metric::DataVolume => leg.volume().map(|(bytes, _)| bytes),
            Metric::WallTime => None,
        }
    }

    /// The metric's name for people.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Downtime => "downtime",
            Metric::LibvirtDowntime => "libvirt downtime",
            Metric::TotalTime => "total time",
            Metric::DataVolume => "data volume",
            Metric::WallTime => "wall time",
        }
    }

    /// The least factor of a claim, however significant: a busy machine causes smaller ones for a whole run. In four runs of
    /// three scenarios within four minutes, the medians of total time differed by factors of 1.5, 1.7 and 2.3.
    pub fn least_factor(self) -> f64 {
        if self == Metric::DataVolume { 1.25 } else { 2.0 }
    }

    /// The least difference that matters, whatever the factor, in the metric's unit. For the downtime it is five intervals
    /// of the network probe in the profile `lab`: a single lost probe is no regression.
    pub fn least_difference(self) -> f64 {
        match self {
            Metric::Downtime | Metric::LibvirtDowntime => 50.0,
            Metric::TotalTime | Metric::WallTime => 250.0,
            Metric::DataVolume => 16.0 * 1024.0 * 1024.0,
        }
    }

    /// The unit in a record and in a comparison's JSON.
    pub fn unit(self) -> &'static str {
        if self == Metric::DataVolume { "bytes" } else { "ms" }
    }

    /// [`Metric::least_factor`] and [`Metric::least_difference`] in words.
    pub fn show_least(self) -> String {
        format!(
            "{:.0} % and {}",
            (self.least_factor() - 1.0) * 100.0,
            show(self.least_difference(), self.unit())
        )
    }

    /// The logarithm of the least factor that matters for a change of `median`.
    pub(super) fn least_shift(self, median: f64) -> f64 {
        self.least_factor().max(1.0 + self.least_difference() / median).ln()
    }
}

/// A value in a unit that suits people, in three digits without an exponent.
pub(super) fn show(value: f64, unit: &str) -> String {
    let (value, unit) = match unit {
        "bytes" => (value / 1024.0 / 1024.0, "MiB"),
        _ if value < 1000.0 => (value, "ms"),
        _ => (value / 1000.0, "s"),
    };
    let decimals = [9.995, 99.95].into_iter().filter(|bound| value < *bound).count();
    format!("{value:.decimals$} {unit}")
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
        assert_eq!(show(value, metric.unit()), shown);
    }

    #[test]
    fn a_small_value_must_change_by_an_amount_and_a_large_one_by_a_factor() {
        assert_eq!(Metric::Downtime.least_shift(10.0), 6.0_f64.ln());
        assert_eq!(Metric::Downtime.least_shift(1000.0), 2.0_f64.ln());
        assert_eq!(Metric::Downtime.show_least(), "100 % and 50.0 ms");
    }
}
