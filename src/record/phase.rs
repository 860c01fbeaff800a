//! The phases of a migration, by libvirt's events and statistics.

use std::fmt;

use super::DomainEvent;
use crate::libvirt::{Detail, LifecycleEvent};

/// A phase of a migration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// libvirt has the call and sends no memory yet.
    #[default]
    Setup,
    /// Memory goes over while the guest runs on its source.
    PreCopy,
    /// The guest is suspended on request, and its memory goes on.
    Suspended,
    /// The guest stands still while its CPUs' state goes over.
    Switchover,
    /// The guest runs on its destination, which fetches the missing memory.
    PostCopy,
    /// The guest is across; libvirt tidies up.
    Completion,
    /// libvirt has finished.
    Completed,
}

impl Phase {
    /// The phase after an event of either host. The hosts' events come over two connections, so the target's may overtake
    /// the source's: an event of an earlier phase changes nothing.
    #[must_use]
    pub fn after(self, event: &DomainEvent) -> Phase {
        let next = match event {
            DomainEvent::Iteration { .. } => return self.memory_is_sent(),
            DomainEvent::JobCompleted => Phase::Completed,
            DomainEvent::Lifecycle { kind: LifecycleEvent::Suspended, detail } => match detail {
                Detail::Paused => Phase::Suspended,
                Detail::Migrated | Detail::PostCopy => Phase::Switchover,
                _ => return self,
            },
            DomainEvent::Lifecycle { kind: LifecycleEvent::Resumed, detail } => match detail {
                Detail::Unpaused if self == Phase::Suspended => return Phase::PreCopy,
                Detail::PostCopy => Phase::PostCopy,
                Detail::Migrated => Phase::Completion,
                _ => return self,
            },
            DomainEvent::Lifecycle { .. } | DomainEvent::Rebooted => return self,
        };
        self.max(next)
    }

    /// The phase once memory goes over, as a pass or statistics show.
    #[must_use]
    pub fn memory_is_sent(self) -> Phase {
        self.max(Phase::PreCopy)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::Setup => "setup",
            Phase::PreCopy => "pre-copy",
            Phase::Suspended => "suspended",
            Phase::Switchover => "switchover",
            Phase::PostCopy => "post-copy",
            Phase::Completion => "completion",
            Phase::Completed => "completed",
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PASS: DomainEvent = DomainEvent::Iteration { pass: 1 };
    const DONE: DomainEvent = DomainEvent::JobCompleted;

    fn suspended(detail: Detail) -> DomainEvent {
        DomainEvent::lifecycle(LifecycleEvent::Suspended, detail)
    }

    fn resumed(detail: Detail) -> DomainEvent {
        DomainEvent::lifecycle(LifecycleEvent::Resumed, detail)
    }

    #[rstest]
    #[case::precopy(
        &[PASS, suspended(Detail::Migrated), resumed(Detail::Migrated), DONE],
        &[Phase::PreCopy, Phase::Switchover, Phase::Completion, Phase::Completed]
    )]
    #[case::postcopy(
        &[PASS, suspended(Detail::Migrated), suspended(Detail::PostCopy), resumed(Detail::PostCopy), resumed(Detail::Migrated), DONE],
        &[Phase::PreCopy, Phase::Switchover, Phase::Switchover, Phase::PostCopy, Phase::Completion, Phase::Completed]
    )]
    #[case::suspended_at_the_timeout(
        &[PASS, suspended(Detail::Paused), PASS, suspended(Detail::Migrated), resumed(Detail::Migrated)],
        &[Phase::PreCopy, Phase::Suspended, Phase::Suspended, Phase::Switchover, Phase::Completion]
    )]
    #[case::suspended_and_resumed(
        &[PASS, suspended(Detail::Paused), resumed(Detail::Unpaused), suspended(Detail::Migrated)],
        &[Phase::PreCopy, Phase::Suspended, Phase::PreCopy, Phase::Switchover]
    )]
    #[case::the_target_is_faster(
        &[PASS, resumed(Detail::Migrated), suspended(Detail::Migrated), DONE, resumed(Detail::Migrated)],
        &[Phase::PreCopy, Phase::Completion, Phase::Completion, Phase::Completed, Phase::Completed]
    )]
    #[case::what_says_nothing(
        &[DomainEvent::Rebooted, resumed(Detail::Unpaused), suspended(Detail::IoError)],
        &[Phase::Setup, Phase::Setup, Phase::Setup]
    )]
    fn events_lead_from_phase_to_phase(#[case] events: &[DomainEvent], #[case] expected: &[Phase]) {
        let phases: Vec<Phase> = events
            .iter()
            .scan(Phase::default(), |phase, event| {
                *phase = phase.after(event);
                Some(*phase)
            })
            .collect();
        assert_eq!(phases, expected);
    }
}
