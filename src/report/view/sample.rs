//! The statistics of a migration that reports show.

use crate::record::Stats;

/// libvirt's statistics of a job at one moment. A missing one is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleView {
    pub t_ms: f64,
    pub remaining_bytes: Option<f64>,
    pub processed_bytes: Option<f64>,
    /// The bandwidth of the moment and no average: QEMU measures it over about 100 ms.
    pub bandwidth_bytes_per_s: Option<f64>,
    /// The dirty rate. QEMU measures it once per pass.
    pub dirty_bytes_per_s: Option<f64>,
    /// The share of the time in which QEMU holds the guest's CPUs back.
    pub throttle_percent: Option<f64>,
    /// Pages that the destination asked for.
    pub postcopy_requests: Option<f64>,
}

impl SampleView {
    /// The statistics at `t_ms`.
    pub(super) fn new(t_ms: f64, stats: &Stats) -> SampleView {
        let number = |name: &str| stats.number(name).map(|number| number as f64);
        SampleView {
            t_ms,
            // Samples leave out statistics that were 0 from the beginning.
            remaining_bytes: number("memory_remaining").or(number("memory_total").map(|_| 0.0)),
            processed_bytes: number("memory_processed"),
            bandwidth_bytes_per_s: number("memory_bps"),
            dirty_bytes_per_s: stats.dirty_bytes_per_s().map(|rate| rate as f64),
            throttle_percent: number("auto_converge_throttle"),
            postcopy_requests: number("memory_postcopy_requests"),
        }
    }
}
