//! libvirt's events about a domain, in the record's form.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::libvirt::{Detail, EventKind, LifecycleEvent};

/// An event of a domain. Its `Display` uses the words of `virsh event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DomainEvent {
    /// A pass over the memory began.
    Iteration {
        /// The number of the pass over the memory, from 1.
        pass: u32,
    },
    /// The migration job completed, as the source reports it.
    JobCompleted,
    /// The guest was reset or rebooted itself.
    Rebooted,
    /// The domain changed its state.
    #[serde(untagged)]
    Lifecycle {
        /// The domain's new state.
        kind: LifecycleEvent,
        /// Why the domain changed its state.
        detail: Detail,
    },
}

impl DomainEvent {
    /// The event of a domain that changed its state for a reason.
    pub fn lifecycle(kind: LifecycleEvent, detail: Detail) -> DomainEvent {
        DomainEvent::Lifecycle { kind, detail }
    }
}

impl From<&EventKind> for DomainEvent {
    fn from(kind: &EventKind) -> DomainEvent {
        match *kind {
            EventKind::MigrationIteration(pass) => {
                DomainEvent::Iteration { pass: u32::try_from(pass).unwrap_or_default() }
            }
            EventKind::JobCompleted(_) => DomainEvent::JobCompleted,
            EventKind::Rebooted => DomainEvent::Rebooted,
            EventKind::Lifecycle { event, detail } => DomainEvent::lifecycle(event, detail),
        }
    }
}

impl fmt::Display for DomainEvent {
    /// Writes the event as `suspended (post-copy)`, `rebooted`, `iteration 3` or `job completed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DomainEvent::Iteration { pass } => write!(f, "iteration {pass}"),
            DomainEvent::JobCompleted => f.write_str("job completed"),
            DomainEvent::Rebooted => f.write_str("rebooted"),
            DomainEvent::Lifecycle { kind, detail } => write!(f, "{kind} ({detail})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::pass(DomainEvent::Iteration { pass: 2 }, r#"{"kind":"iteration","pass":2}"#, "iteration 2")]
    #[case::completed(DomainEvent::JobCompleted, r#"{"kind":"job_completed"}"#, "job completed")]
    #[case::rebooted(DomainEvent::Rebooted, r#"{"kind":"rebooted"}"#, "rebooted")]
    #[case::post_copy(
        DomainEvent::lifecycle(LifecycleEvent::Suspended, Detail::PostCopy),
        r#"{"kind":"suspended","detail":"post-copy"}"#,
        "suspended (post-copy)"
    )]
    #[case::later(
        DomainEvent::lifecycle(LifecycleEvent::Other(42), Detail::Other(-1)),
        r#"{"kind":{"other":42},"detail":{"other":-1}}"#,
        "event 42 (detail -1)"
    )]
    fn each_has_one_form(#[case] event: DomainEvent, #[case] json: &str, #[case] text: &str) {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<DomainEvent>(json).unwrap(), event);
        assert_eq!(event.to_string(), text);
    }

    #[test]
    fn another_kind_is_an_error_and_not_a_guess() {
        assert!(serde_json::from_str::<DomainEvent>(r#"{"kind":"levitated","detail":"post-copy"}"#).is_err());
    }
}
