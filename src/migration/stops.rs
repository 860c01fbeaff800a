//! Whether a guest stood still on the source before its last pass.

use std::time::Instant;

use crate::libvirt::{Detail, EventKind, LifecycleEvent};

/// Passes that begin when the guest has been stopped because little is left: one, in each of thousands of migrations by
/// QEMU 7.2 and 10.0. When there are more, it was stopped before little was left.
const LAST_PASSES: u32 = 1;

/// What the source's events say of the guest's CPUs.
#[derive(Debug, Default)]
pub struct Stops {
    stopped: Option<Instant>,
    passes_since: u32,
}

impl Stops {
    /// Takes an event of the source in. Returns when the guest stopped, if this event shows that it was stopped early.
    pub fn on_event(&mut self, kind: &EventKind, at: Instant) -> Option<Instant> {
        let early = match kind {
            EventKind::MigrationIteration(_) => {
                self.passes_since += u32::from(self.stopped.is_some());
                self.passes_since > LAST_PASSES
            }
            // QEMU stops the guest for the last pass; libvirt sends this event also when somebody suspends it before.
            kind if kind.is(LifecycleEvent::Suspended, Detail::Migrated) => {
                self.stopped.get_or_insert(at);
                false
            }
            kind if kind.is(LifecycleEvent::Suspended, Detail::Paused) => {
                self.stopped.get_or_insert(at);
                true
            }
            EventKind::Lifecycle { event: LifecycleEvent::Resumed, .. } => true,
            _ => false,
        };
        self.stopped.filter(|_| early)
    }
}
