//! Whether a guest stood still on the source before its last pass.

use std::time::Instant;

use crate::libvirt::{Detail, EventKind, LifecycleEvent};

/// How many passes may begin after the guest's last stop: one, in each of thousands of migrations by QEMU 7.2 and 10.0. More
/// passes show that the guest was stopped before little was left.
const LAST_PASSES: u32 = 1;

/// The guest's CPUs by the source's events.
#[derive(Debug, Default)]
pub struct Stops {
    stopped: Option<Instant>,
    passes_since: u32,
}

impl Stops {
    /// Takes an event of the source. Returns when the guest stopped, if this event shows an early stop.
    pub fn on_event(&mut self, kind: &EventKind, at: Instant) -> Option<Instant> {
        let early = match kind {
            EventKind::MigrationIteration(_) => {
                self.passes_since += u32::from(self.stopped.is_some());
                self.passes_since > LAST_PASSES
            }
            // QEMU stops the guest for the last pass; a suspension by somebody else before it causes this event, too.
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
