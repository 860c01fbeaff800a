//! libvirt's events.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};
use virt_sys as sys;

use super::JobStats;

/// Something that happened to a domain on a host.
#[derive(Clone, Debug)]
pub struct HostEvent {
    /// Label of the host that sent the event.
    pub host: Arc<str>,
    pub domain: String,
    /// Arrival of the event here, not its occurrence on the host: both clocks are this machine's.
    pub at: Instant,
    pub wall: SystemTime,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// The domain changed its state.
    Lifecycle { event: LifecycleEvent, detail: Detail },
    /// The guest was reset or rebooted itself, within the same QEMU process; libvirt does not tell which. libvirt passes
    /// QEMU's `RESET` on (`qemuProcessHandleReset` in `src/qemu/qemu_process.c`).
    Rebooted,
    /// A pass over the memory began, counted from 1. The source of a migration sends this.
    MigrationIteration(i32),
    /// A job completed. The source of a migration sends this.
    JobCompleted(Box<JobStats>),
}

/// libvirt's `virDomainEventType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LifecycleEvent {
    Defined,
    Undefined,
    Started,
    Suspended,
    Resumed,
    Stopped,
    Shutdown,
    PmSuspended,
    Crashed,
    /// A number newer than this client's bindings.
    Other(i32),
}

/// Why. libvirt has an enum for each event; these are all of them, under one name where they mean one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    Added,
    Updated,
    Renamed,
    Snapshot,
    Removed,
    Booted,
    Migrated,
    Restored,
    Wakeup,
    Recreated,
    Paused,
    IoError,
    Watchdog,
    ApiError,
    PostCopy,
    PostCopyFailed,
    GuestShutdown,
    Unpaused,
    Shutdown,
    Destroyed,
    Crashed,
    Saved,
    Failed,
    Finished,
    GuestRequest,
    HostRequest,
    Memory,
    Disk,
    Panicked,
    CrashLoaded,
    /// A number newer than this client's bindings.
    Other(i32),
}

use Detail as D;

/// The details of each event, in the order of libvirt's enums (`libvirt-domain.h`).
const DEFINED: &[Detail] = &[D::Added, D::Updated, D::Renamed, D::Snapshot];
const UNDEFINED: &[Detail] = &[D::Removed, D::Renamed];
const STARTED: &[Detail] = &[D::Booted, D::Migrated, D::Restored, D::Snapshot, D::Wakeup, D::Recreated];
const SUSPENDED: &[Detail] = &[
    D::Paused,
    D::Migrated,
    D::IoError,
    D::Watchdog,
    D::Restored,
    D::Snapshot,
    D::ApiError,
    D::PostCopy,
    D::PostCopyFailed,
    D::GuestShutdown,
];
const RESUMED: &[Detail] = &[D::Unpaused, D::Migrated, D::Snapshot, D::PostCopy, D::PostCopyFailed];
const STOPPED: &[Detail] =
    &[D::Shutdown, D::Destroyed, D::Crashed, D::Migrated, D::Saved, D::Failed, D::Snapshot, D::Recreated];
const SHUTDOWN: &[Detail] = &[D::Finished, D::GuestRequest, D::HostRequest];
const PM_SUSPENDED: &[Detail] = &[D::Memory, D::Disk];
const CRASHED: &[Detail] = &[D::Panicked, D::CrashLoaded];

impl EventKind {
    pub(super) fn lifecycle(event: i32, detail: i32) -> EventKind {
        use LifecycleEvent as E;
        let (event, details) = match u32::try_from(event) {
            Ok(sys::VIR_DOMAIN_EVENT_DEFINED) => (E::Defined, DEFINED),
            Ok(sys::VIR_DOMAIN_EVENT_UNDEFINED) => (E::Undefined, UNDEFINED),
            Ok(sys::VIR_DOMAIN_EVENT_STARTED) => (E::Started, STARTED),
            Ok(sys::VIR_DOMAIN_EVENT_SUSPENDED) => (E::Suspended, SUSPENDED),
            Ok(sys::VIR_DOMAIN_EVENT_RESUMED) => (E::Resumed, RESUMED),
            Ok(sys::VIR_DOMAIN_EVENT_STOPPED) => (E::Stopped, STOPPED),
            Ok(sys::VIR_DOMAIN_EVENT_SHUTDOWN) => (E::Shutdown, SHUTDOWN),
            Ok(sys::VIR_DOMAIN_EVENT_PMSUSPENDED) => (E::PmSuspended, PM_SUSPENDED),
            Ok(sys::VIR_DOMAIN_EVENT_CRASHED) => (E::Crashed, CRASHED),
            _ => (E::Other(event), &[] as &[Detail]),
        };
        let known = usize::try_from(detail).ok().and_then(|i| details.get(i)).copied();
        EventKind::Lifecycle { event, detail: known.unwrap_or(Detail::Other(detail)) }
    }

    /// Whether the event is of this kind and has this reason.
    pub fn is(&self, wanted: LifecycleEvent, why: Detail) -> bool {
        matches!(self, EventKind::Lifecycle { event, detail } if *event == wanted && *detail == why)
    }
}

impl fmt::Display for LifecycleEvent {
    /// The event's name as `virsh event` prints it, in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LifecycleEvent::Defined => "defined",
            LifecycleEvent::Undefined => "undefined",
            LifecycleEvent::Started => "started",
            LifecycleEvent::Suspended => "suspended",
            LifecycleEvent::Resumed => "resumed",
            LifecycleEvent::Stopped => "stopped",
            LifecycleEvent::Shutdown => "shutdown",
            LifecycleEvent::PmSuspended => "pmsuspended",
            LifecycleEvent::Crashed => "crashed",
            LifecycleEvent::Other(number) => return write!(f, "event {number}"),
        })
    }
}

impl fmt::Display for Detail {
    /// The reason as `virsh event` prints it (`tools/virsh-domain-event.c`), in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Detail::Added => "added",
            Detail::Updated => "updated",
            Detail::Renamed => "renamed",
            Detail::Snapshot => "snapshot",
            Detail::Removed => "removed",
            Detail::Booted => "booted",
            Detail::Migrated => "migrated",
            Detail::Restored => "restored",
            Detail::Wakeup => "event wakeup",
            Detail::Recreated => "recreation",
            Detail::Paused => "paused",
            Detail::IoError => "I/O error",
            Detail::Watchdog => "watchdog",
            Detail::ApiError => "API error",
            Detail::PostCopy => "post-copy",
            Detail::PostCopyFailed => "post-copy error",
            Detail::GuestShutdown => "guest shutdown",
            Detail::Unpaused => "unpaused",
            Detail::Shutdown => "shutdown",
            Detail::Destroyed => "destroyed",
            Detail::Crashed => "crashed",
            Detail::Saved => "saved",
            Detail::Failed => "failed",
            Detail::Finished => "finished",
            Detail::GuestRequest => "finished after guest request",
            Detail::HostRequest => "finished after host request",
            Detail::Memory => "memory",
            Detail::Disk => "disk",
            Detail::Panicked => "panicked",
            Detail::CrashLoaded => "crashloaded",
            Detail::Other(number) => return write!(f, "detail {number}"),
        })
    }
}

impl fmt::Display for EventKind {
    /// Formats an event: `suspended (post-copy)`, `rebooted`, `iteration 3`, `job completed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Lifecycle { event, detail } => write!(f, "{event} ({detail})"),
            EventKind::Rebooted => f.write_str("rebooted"),
            EventKind::MigrationIteration(number) => write!(f, "iteration {number}"),
            EventKind::JobCompleted(_) => f.write_str("job completed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_virsh() {
        let text = |event: u32, detail: u32| EventKind::lifecycle(event as i32, detail as i32).to_string();
        assert_eq!(
            text(sys::VIR_DOMAIN_EVENT_SUSPENDED, sys::VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY),
            "suspended (post-copy)"
        );
        assert_eq!(
            text(sys::VIR_DOMAIN_EVENT_RESUMED, sys::VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED),
            "resumed (post-copy error)"
        );
        assert_eq!(
            text(sys::VIR_DOMAIN_EVENT_STOPPED, sys::VIR_DOMAIN_EVENT_STOPPED_MIGRATED),
            "stopped (migrated)"
        );
        assert_eq!(
            text(sys::VIR_DOMAIN_EVENT_CRASHED, sys::VIR_DOMAIN_EVENT_CRASHED_CRASHLOADED),
            "crashed (crashloaded)"
        );
    }

    #[test]
    fn the_tables_end_where_the_enums_end() {
        assert_eq!(STARTED.len(), sys::VIR_DOMAIN_EVENT_STARTED_RECREATED as usize + 1);
        assert_eq!(SUSPENDED.len(), sys::VIR_DOMAIN_EVENT_SUSPENDED_GUEST_SHUTDOWN as usize + 1);
        assert_eq!(RESUMED.len(), sys::VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED as usize + 1);
        assert_eq!(STOPPED.len(), sys::VIR_DOMAIN_EVENT_STOPPED_RECREATED as usize + 1);
    }

    #[test]
    fn unknown_numbers_are_kept() {
        let kind = EventKind::lifecycle(42, -1);
        assert!(kind.is(LifecycleEvent::Other(42), Detail::Other(-1)));
        assert_eq!(kind.to_string(), "event 42 (detail -1)");
    }
}
