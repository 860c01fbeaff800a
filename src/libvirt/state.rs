//! The state of a domain, and its reason.

use std::fmt;

use serde::Serialize;
use virt_sys as sys;

/// A state of libvirt's `virDomainState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    NoState,
    Running,
    /// Blocked on a resource; QEMU never reports this.
    Blocked,
    Paused,
    /// The guest is shutting down.
    ShuttingDown,
    ShutOff,
    Crashed,
    PmSuspended,
    /// A number newer than this client's bindings.
    Unknown,
}

/// A state and its reason. Displayed as `virsh domstate --reason` prints it: `running (migrated)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct DomainState {
    pub kind: StateKind,
    /// libvirt's number of the reason; its meaning depends on `kind`. See [`DomainState::reason_name`].
    pub reason: i32,
}

/// The reasons of each state in the order of libvirt's enums, in the words of virsh (`tools/virsh-domain-monitor.c`).
const RUNNING: &[&str] = &[
    "unknown",
    "booted",
    "migrated",
    "restored",
    "from snapshot",
    "unpaused",
    "migration canceled",
    "save canceled",
    "event wakeup",
    "crashed",
    "post-copy",
    "post-copy failed",
];
const PAUSED: &[&str] = &[
    "unknown",
    "user",
    "migrating",
    "saving",
    "dumping",
    "I/O error",
    "watchdog",
    "from snapshot",
    "shutting down",
    "creating snapshot",
    "crashed",
    "starting up",
    "post-copy",
    "post-copy failed",
    "api error",
];
const SHUTTING_DOWN: &[&str] = &["unknown", "user"];
const SHUT_OFF: &[&str] = &[
    "unknown",
    "shutdown",
    "destroyed",
    "crashed",
    "migrated",
    "saved",
    "failed",
    "from snapshot",
    "daemon",
];
const CRASHED: &[&str] = &["unknown", "panicked"];

impl StateKind {
    fn from_raw(raw: i32) -> StateKind {
        match u32::try_from(raw) {
            Ok(sys::VIR_DOMAIN_NOSTATE) => StateKind::NoState,
            Ok(sys::VIR_DOMAIN_RUNNING) => StateKind::Running,
            Ok(sys::VIR_DOMAIN_BLOCKED) => StateKind::Blocked,
            Ok(sys::VIR_DOMAIN_PAUSED) => StateKind::Paused,
            Ok(sys::VIR_DOMAIN_SHUTDOWN) => StateKind::ShuttingDown,
            Ok(sys::VIR_DOMAIN_SHUTOFF) => StateKind::ShutOff,
            Ok(sys::VIR_DOMAIN_CRASHED) => StateKind::Crashed,
            Ok(sys::VIR_DOMAIN_PMSUSPENDED) => StateKind::PmSuspended,
            _ => StateKind::Unknown,
        }
    }
}

impl DomainState {
    pub(super) fn from_raw(state: i32, reason: i32) -> DomainState {
        DomainState { kind: StateKind::from_raw(state), reason }
    }

    /// virsh's word for the reason, such as `migrated` or `post-copy failed`.
    pub fn reason_name(&self) -> &'static str {
        let names = match self.kind {
            StateKind::Running => RUNNING,
            StateKind::Paused => PAUSED,
            StateKind::ShuttingDown => SHUTTING_DOWN,
            StateKind::ShutOff => SHUT_OFF,
            StateKind::Crashed => CRASHED,
            _ => &[],
        };
        let index = usize::try_from(self.reason).ok();
        index.and_then(|i| names.get(i)).copied().unwrap_or("unknown")
    }

    /// Whether the guest's CPUs run.
    pub fn is_running(&self) -> bool {
        self.kind == StateKind::Running
    }
}

impl fmt::Display for StateKind {
    /// Formats the state in virsh's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StateKind::NoState => "no state",
            StateKind::Running => "running",
            StateKind::Blocked => "idle",
            StateKind::Paused => "paused",
            StateKind::ShuttingDown => "in shutdown",
            StateKind::ShutOff => "shut off",
            StateKind::Crashed => "crashed",
            StateKind::PmSuspended => "pmsuspended",
            StateKind::Unknown => "unknown",
        })
    }
}

impl fmt::Display for DomainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.reason_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_virsh() {
        let text = |state: u32, reason: u32| DomainState::from_raw(state as i32, reason as i32).to_string();
        assert_eq!(text(sys::VIR_DOMAIN_RUNNING, sys::VIR_DOMAIN_RUNNING_MIGRATED), "running (migrated)");
        assert_eq!(text(sys::VIR_DOMAIN_PAUSED, sys::VIR_DOMAIN_PAUSED_MIGRATION), "paused (migrating)");
        assert_eq!(
            text(sys::VIR_DOMAIN_PAUSED, sys::VIR_DOMAIN_PAUSED_POSTCOPY_FAILED),
            "paused (post-copy failed)"
        );
        assert_eq!(text(sys::VIR_DOMAIN_SHUTOFF, sys::VIR_DOMAIN_SHUTOFF_DAEMON), "shut off (daemon)");
        assert_eq!(text(sys::VIR_DOMAIN_CRASHED, sys::VIR_DOMAIN_CRASHED_PANICKED), "crashed (panicked)");
    }

    #[test]
    fn the_tables_end_where_the_enums_end() {
        assert_eq!(RUNNING.len(), sys::VIR_DOMAIN_RUNNING_POSTCOPY_FAILED as usize + 1);
        assert_eq!(PAUSED.len(), sys::VIR_DOMAIN_PAUSED_API_ERROR as usize + 1);
        assert_eq!(SHUT_OFF.len(), sys::VIR_DOMAIN_SHUTOFF_DAEMON as usize + 1);
    }

    #[test]
    fn unknown_numbers_are_only_unknown() {
        assert_eq!(DomainState::from_raw(-1, -1).to_string(), "unknown (unknown)");
        assert_eq!(DomainState::from_raw(1, 1_000).to_string(), "running (unknown)");
    }
}
