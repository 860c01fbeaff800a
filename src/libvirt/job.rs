//! The decoded statistics of a job. They are pure data; `job_query.rs` reads them from libvirt.

use std::collections::BTreeMap;

use virt_sys as sys;

use super::Value;

/// The stage of a job, libvirt's `virDomainJobType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobKind {
    #[default]
    None,
    /// A running job with a known end.
    Bounded,
    /// A running job without a known end: a live migration.
    Unbounded,
    Completed,
    Failed,
    Cancelled,
    /// A number newer than this client's bindings.
    Unknown,
}

impl JobKind {
    pub(super) fn from_raw(raw: i32) -> JobKind {
        match u32::try_from(raw) {
            Ok(sys::VIR_DOMAIN_JOB_NONE) => JobKind::None,
            Ok(sys::VIR_DOMAIN_JOB_BOUNDED) => JobKind::Bounded,
            Ok(sys::VIR_DOMAIN_JOB_UNBOUNDED) => JobKind::Unbounded,
            Ok(sys::VIR_DOMAIN_JOB_COMPLETED) => JobKind::Completed,
            Ok(sys::VIR_DOMAIN_JOB_FAILED) => JobKind::Failed,
            Ok(sys::VIR_DOMAIN_JOB_CANCELLED) => JobKind::Cancelled,
            _ => JobKind::Unknown,
        }
    }
}

/// The operation of a job, libvirt's `virDomainJobOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOperation {
    Start,
    Save,
    Restore,
    MigrationIn,
    MigrationOut,
    Snapshot,
    SnapshotRevert,
    Dump,
    Backup,
    SnapshotDelete,
    /// libvirt's own "unknown", or a number newer than this client's bindings.
    Unknown,
}

impl JobOperation {
    fn from_raw(raw: u64) -> JobOperation {
        match u32::try_from(raw) {
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_START) => JobOperation::Start,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_SAVE) => JobOperation::Save,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_RESTORE) => JobOperation::Restore,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN) => JobOperation::MigrationIn,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT) => JobOperation::MigrationOut,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_SNAPSHOT) => JobOperation::Snapshot,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT) => JobOperation::SnapshotRevert,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_DUMP) => JobOperation::Dump,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_BACKUP) => JobOperation::Backup,
            Ok(sys::VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_DELETE) => JobOperation::SnapshotDelete,
            _ => JobOperation::Unknown,
        }
    }
}

/// The statistics of a job. Each number is there only if libvirt and QEMU gave it; meanings and units are those of
/// `libvirt-domain.h`. Every parameter, known or not, is in `raw` too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobStats {
    pub kind: JobKind,
    pub operation: Option<JobOperation>,
    /// Whether the job succeeded. Only some completed jobs have this; a completed migration has none, and `kind` tells its
    /// end.
    pub success: Option<bool>,
    /// The error of a completed job that failed.
    pub error_message: Option<String>,

    /// Time since the job began.
    pub time_elapsed_ms: Option<u64>,
    /// Time since the job began, without the transfer of control from source to destination.
    pub time_elapsed_net_ms: Option<u64>,
    /// Remaining time of a bounded job.
    pub time_remaining_ms: Option<u64>,
    /// The downtime: expected while the job runs; of a completed job, from the stop of the CPUs on the source to their
    /// start on the destination. Source and destination each report their own.
    pub downtime_ms: Option<u64>,
    /// The downtime without the transfer of control from source to destination.
    pub downtime_net_ms: Option<u64>,
    /// Time for the preparation before the first iteration.
    pub setup_time_ms: Option<u64>,

    /// Total of memory and disks together.
    pub data_total_bytes: Option<u64>,
    pub data_processed_bytes: Option<u64>,
    pub data_remaining_bytes: Option<u64>,

    pub memory_total_bytes: Option<u64>,
    pub memory_processed_bytes: Option<u64>,
    pub memory_remaining_bytes: Option<u64>,
    /// Network throughput of memory, in bytes per second.
    pub memory_bps: Option<u64>,
    /// Pages of one repeated byte (mostly zero pages), of which QEMU sends only a note.
    pub memory_constant_pages: Option<u64>,
    /// Pages that QEMU sent whole.
    pub memory_normal_pages: Option<u64>,
    pub memory_normal_bytes: Option<u64>,
    /// Pages that the guest dirties per second.
    pub memory_dirty_rate_pages_per_s: Option<u64>,
    pub memory_page_size_bytes: Option<u64>,
    /// Number of the present pass over the memory, counted from 1.
    pub memory_iteration: Option<u64>,
    /// Pages that the destination requested after the switch to post-copy.
    pub memory_postcopy_requests: Option<u64>,

    pub disk_total_bytes: Option<u64>,
    pub disk_processed_bytes: Option<u64>,
    pub disk_remaining_bytes: Option<u64>,
    /// Network throughput of disks, in bytes per second.
    pub disk_bps: Option<u64>,
    pub disk_temp_used_bytes: Option<u64>,
    pub disk_temp_total_bytes: Option<u64>,

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

    /// Share of their time that QEMU holds the guest's CPUs back, in percent.
    pub auto_converge_throttle_percent: Option<u64>,

    /// Every parameter by libvirt's name.
    pub raw: BTreeMap<String, Value>,
}

impl JobStats {
    /// Decodes the known parameters. A parameter that is unknown, or has another type than expected, stays in `raw` only.
    pub(super) fn decode(kind: JobKind, params: Vec<(String, Value)>) -> JobStats {
        let raw: BTreeMap<String, Value> = params.into_iter().collect();
        let number = |name: &str| raw.get(name).and_then(Value::as_u64);
        JobStats {
            kind,
            operation: number("operation").map(JobOperation::from_raw),
            success: raw.get("success").and_then(Value::as_bool),
            error_message: raw.get("errmsg").and_then(Value::as_str).map(str::to_owned),
            time_elapsed_ms: number("time_elapsed"),
            time_elapsed_net_ms: number("time_elapsed_net"),
            time_remaining_ms: number("time_remaining"),
            downtime_ms: number("downtime"),
            downtime_net_ms: number("downtime_net"),
            setup_time_ms: number("setup_time"),
            data_total_bytes: number("data_total"),
            data_processed_bytes: number("data_processed"),
            data_remaining_bytes: number("data_remaining"),
            memory_total_bytes: number("memory_total"),
            memory_processed_bytes: number("memory_processed"),
            memory_remaining_bytes: number("memory_remaining"),
            memory_bps: number("memory_bps"),
            memory_constant_pages: number("memory_constant"),
            memory_normal_pages: number("memory_normal"),
            memory_normal_bytes: number("memory_normal_bytes"),
            memory_dirty_rate_pages_per_s: number("memory_dirty_rate"),
            memory_page_size_bytes: number("memory_page_size"),
            memory_iteration: number("memory_iteration"),
            memory_postcopy_requests: number("memory_postcopy_requests"),
            disk_total_bytes: number("disk_total"),
            disk_processed_bytes: number("disk_processed"),
            disk_remaining_bytes: number("disk_remaining"),
            disk_bps: number("disk_bps"),
            disk_temp_used_bytes: number("disk_temp_used"),
            disk_temp_total_bytes: number("disk_temp_total"),
            compression_cache_bytes: number("compression_cache"),
            compression_bytes: number("compression_bytes"),
            compression_pages: number("compression_pages"),
            compression_cache_misses: number("compression_cache_misses"),
            compression_overflow: number("compression_overflow"),
            auto_converge_throttle_percent: number("auto_converge_throttle"),
            raw,
        }
    }

    /// Decodes the statistics of a job-completed event, which come without the kind.
    pub(super) fn decode_completed(params: Vec<(String, Value)>) -> JobStats {
        let mut stats = JobStats::decode(JobKind::Completed, params);
        if stats.success == Some(false) {
            stats.kind = JobKind::Failed;
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(list: &[(&str, Value)]) -> Vec<(String, Value)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn reads_a_completed_migration() {
        let stats = JobStats::decode_completed(params(&[
            ("operation", Value::Integer(5)),
            ("downtime", Value::Unsigned(25)),
            ("memory_dirty_rate", Value::Unsigned(1_000)),
            ("auto_converge_throttle", Value::Integer(20)),
        ]));
        assert_eq!(stats.kind, JobKind::Completed);
        assert_eq!(stats.operation, Some(JobOperation::MigrationOut));
        assert_eq!(stats.downtime_ms, Some(25));
        assert_eq!(stats.memory_dirty_rate_pages_per_s, Some(1_000));
        assert_eq!(stats.auto_converge_throttle_percent, Some(20));
        assert_eq!(stats.setup_time_ms, None);
    }

    #[test]
    fn a_failed_job_says_so() {
        let stats = JobStats::decode_completed(params(&[
            ("success", Value::Bool(false)),
            ("errmsg", Value::Text("no space".to_owned())),
        ]));
        assert_eq!(stats.kind, JobKind::Failed);
        assert_eq!(stats.error_message.as_deref(), Some("no space"));
    }

    #[test]
    fn unknown_and_mistyped_parameters_stay_raw() {
        let list = params(&[
            ("downtime", Value::Text("soon".to_owned())),
            ("setup_time", Value::Integer(-1)),
            ("success", Value::Unsigned(1)),
            ("errmsg", Value::Bool(true)),
            ("operation", Value::Unsigned(u64::MAX)),
            ("time_elapsed", Value::Unknown),
            ("vfio_data_transferred", Value::Unsigned(3)),
        ]);
        let stats = JobStats::decode(JobKind::from_raw(77), list);
        assert_eq!(stats.kind, JobKind::Unknown);
        assert_eq!((stats.downtime_ms, stats.setup_time_ms, stats.time_elapsed_ms), (None, None, None));
        assert_eq!((stats.success, &stats.error_message), (None, &None));
        assert_eq!(stats.operation, Some(JobOperation::Unknown));
        assert_eq!(stats.raw.len(), 7);
        assert_eq!(stats.raw["vfio_data_transferred"], Value::Unsigned(3));
    }

    #[test]
    fn the_names_are_libvirts() {
        let named = |name: &std::ffi::CStr| name.to_str().unwrap().to_owned();
        let stats = JobStats::decode(
            JobKind::Unbounded,
            vec![
                (named(sys::VIR_DOMAIN_JOB_DOWNTIME_NET), Value::Unsigned(1)),
                (named(sys::VIR_DOMAIN_JOB_MEMORY_POSTCOPY_REQS), Value::Unsigned(2)),
                (named(sys::VIR_DOMAIN_JOB_COMPRESSION_CACHE_MISSES), Value::Unsigned(3)),
                (named(sys::VIR_DOMAIN_JOB_MEMORY_NORMAL_BYTES), Value::Unsigned(4)),
                (named(sys::VIR_DOMAIN_JOB_ERRMSG), Value::Text("x".to_owned())),
            ],
        );
        assert_eq!(stats.downtime_net_ms, Some(1));
        assert_eq!(stats.memory_postcopy_requests, Some(2));
        assert_eq!(stats.compression_cache_misses, Some(3));
        assert_eq!(stats.memory_normal_bytes, Some(4));
        assert!(stats.error_message.is_some());
    }
}
