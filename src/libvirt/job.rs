//! The decoded statistics of a job. They are pure data; `job_query.rs` reads them from libvirt.

use std::collections::BTreeMap;

use super::Value;

/// The statistics of a job: the numbers that multivm works with, each only if libvirt and QEMU gave it, and all of them in `raw`.
/// Meanings and units are those of `libvirt-domain.h`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobStats {
    /// The downtime: expected while the job runs; of a completed job, from the stop of the CPUs on the source to their
    /// start on the destination. Source and destination each report their own.
    pub downtime_ms: Option<u64>,

    /// Memory and disks together.
    pub data_processed_bytes: Option<u64>,

    pub memory_processed_bytes: Option<u64>,
    pub memory_remaining_bytes: Option<u64>,
    /// Network throughput of memory, in bytes per second.
    pub memory_bps: Option<u64>,
    /// Pages that the guest dirties per second.
    pub memory_dirty_rate_pages_per_s: Option<u64>,
    /// Number of the present pass over the memory, counted from 1.
    pub memory_iteration: Option<u64>,

    /// Size of the XBZRLE cache.
    pub compression_cache_bytes: Option<u64>,
    /// Bytes of compressed pages sent.
    pub compression_bytes: Option<u64>,
    /// Number of compressed pages sent.
    pub compression_pages: Option<u64>,
    /// Pages that were not in the XBZRLE cache.
    pub compression_cache_misses: Option<u64>,
    /// Pages that compression made larger; QEMU sent them whole.
    pub compression_overflow: Option<u64>,

    /// Every parameter by libvirt's name.
    pub raw: BTreeMap<String, Value>,
}

impl JobStats {
    /// Decodes the known parameters. A parameter that is unknown, or has another type than expected, stays in `raw` only.
    pub(super) fn decode(params: Vec<(String, Value)>) -> JobStats {
        let raw: BTreeMap<String, Value> = params.into_iter().collect();
        let number = |name: &str| raw.get(name).and_then(Value::as_u64);
        JobStats {
            downtime_ms: number("downtime"),
            data_processed_bytes: number("data_processed"),
            memory_processed_bytes: number("memory_processed"),
            memory_remaining_bytes: number("memory_remaining"),
            memory_bps: number("memory_bps"),
            memory_dirty_rate_pages_per_s: number("memory_dirty_rate"),
            memory_iteration: number("memory_iteration"),
            compression_cache_bytes: number("compression_cache"),
            compression_bytes: number("compression_bytes"),
            compression_pages: number("compression_pages"),
            compression_cache_misses: number("compression_cache_misses"),
            compression_overflow: number("compression_overflow"),
            raw,
        }
    }
}

#[cfg(test)]
mod tests {
    use virt_sys as sys;

    use super::*;

    fn params(list: &[(&str, Value)]) -> Vec<(String, Value)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn reads_a_completed_migration() {
        let stats = JobStats::decode(params(&[
            ("downtime", Value::Unsigned(25)),
            ("memory_dirty_rate", Value::Unsigned(1_000)),
            ("memory_iteration", Value::Integer(3)),
        ]));
        assert_eq!(stats.downtime_ms, Some(25));
        assert_eq!(stats.memory_dirty_rate_pages_per_s, Some(1_000));
        assert_eq!(stats.memory_iteration, Some(3));
        assert_eq!(stats.memory_bps, None);
    }

    #[test]
    fn unknown_and_mistyped_parameters_stay_raw() {
        let stats = JobStats::decode(params(&[
            ("downtime", Value::Text("soon".to_owned())),
            ("memory_bps", Value::Integer(-1)),
            ("memory_iteration", Value::Bool(true)),
            ("memory_processed", Value::Unknown),
            ("vfio_data_transferred", Value::Unsigned(3)),
        ]));
        assert_eq!((stats.downtime_ms, stats.memory_bps, stats.memory_iteration), (None, None, None));
        assert_eq!(stats.memory_processed_bytes, None);
        assert_eq!(stats.raw.len(), 5);
        assert_eq!(stats.raw["vfio_data_transferred"], Value::Unsigned(3));
    }

    #[test]
    fn the_names_are_libvirts() {
        let named = |name: &std::ffi::CStr| name.to_str().unwrap().to_owned();
        let stats = JobStats::decode(vec![
            (named(sys::VIR_DOMAIN_JOB_DOWNTIME), Value::Unsigned(1)),
            (named(sys::VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE), Value::Unsigned(2)),
            (named(sys::VIR_DOMAIN_JOB_COMPRESSION_CACHE_MISSES), Value::Unsigned(3)),
            (named(sys::VIR_DOMAIN_JOB_DATA_PROCESSED), Value::Unsigned(4)),
        ]);
        assert_eq!(stats.downtime_ms, Some(1));
        assert_eq!(stats.memory_dirty_rate_pages_per_s, Some(2));
        assert_eq!(stats.compression_cache_misses, Some(3));
        assert_eq!(stats.data_processed_bytes, Some(4));
    }
}
