//! The statistics of a migration, as far as reports show them.

use serde_json::Value;

/// What libvirt said of a job at one moment. Absent is what it did not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    pub t_ms: f64,
    /// Since the job began.
    pub elapsed_ms: Option<f64>,
    /// Pass over the memory, from 1.
    pub iteration: Option<f64>,
    pub remaining_bytes: Option<f64>,
    pub processed_bytes: Option<f64>,
    pub total_bytes: Option<f64>,
    /// Of the moment, not an average: QEMU measures it over about 100 ms.
    pub bandwidth_bytes_per_s: Option<f64>,
    /// QEMU measures it once per pass.
    pub dirty_bytes_per_s: Option<f64>,
    /// How much of their time the guest's CPUs are held back.
    pub throttle_percent: Option<f64>,
    /// Pages that the destination had to ask for.
    pub postcopy_requests: Option<f64>,
    /// When completed: libvirt's downtime. Before: an estimate.
    pub downtime_ms: Option<f64>,
    pub setup_ms: Option<f64>,
}

/// Where libvirt gives a rate in pages and no size of them.
const PAGE: f64 = 4096.0;

impl Sample {
    /// Reads the record's `stats`; null gives nothing.
    pub(super) fn decode(t_ms: f64, stats: &Value) -> Option<Sample> {
        let stats = stats.as_object()?;
        let number = |name: &str| stats.get(name).and_then(Value::as_f64);
        let page = number("memory_page_size_bytes").unwrap_or(PAGE);
        Some(Sample {
            t_ms,
            elapsed_ms: number("time_elapsed_ms"),
            iteration: number("memory_iteration"),
            remaining_bytes: number("memory_remaining_bytes"),
            processed_bytes: number("memory_processed_bytes"),
            total_bytes: number("memory_total_bytes"),
            bandwidth_bytes_per_s: number("memory_bps"),
            dirty_bytes_per_s: number("memory_dirty_rate_pages_per_s").map(|pages| pages * page),
            throttle_percent: number("auto_converge_throttle_percent"),
            postcopy_requests: number("memory_postcopy_requests"),
            downtime_ms: number("downtime_ms"),
            setup_ms: number("setup_time_ms"),
        })
    }
}
