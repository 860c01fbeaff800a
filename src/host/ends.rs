//! The ends of QEMUs on both hosts that happened by themselves: nobody told libvirt to end them.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use super::EventHub;
use crate::libvirt::{Detail, EventKind, HostEvent, LifecycleEvent};
use crate::sys::parallel::locked;

/// Collects libvirt's events of such ends as long as this exists, so that it misses none between two scenarios.
#[derive(Debug)]
pub struct QemuEnds {
    noted: Mutex<Receiver<HostEvent>>,
    /// Ends that somebody took and gave back.
    kept: Mutex<Vec<HostEvent>>,
}

impl QemuEnds {
    /// Starts to collect the events of a hub.
    pub fn of(hub: &EventHub) -> QemuEnds {
        let (sender, noted) = channel();
        hub.forward(None, move |event| !is_end(&event.kind) || sender.send(event.clone()).is_ok());
        QemuEnds { noted: Mutex::new(noted), kept: Mutex::default() }
    }

    /// The ends that no call has taken yet.
    pub fn take(&self) -> Vec<HostEvent> {
        let mut ends = std::mem::take(&mut *locked(&self.kept));
        ends.extend(locked(&self.noted).try_iter());
        ends
    }

    /// Leaves ends to the next who takes them: those of another connection, or from before a repair.
    pub fn give_back(&self, ends: Vec<HostEvent>) {
        locked(&self.kept).extend(ends);
    }
}

/// Whether libvirt lost a QEMU that it did not end: qemuProcessHandleMonitorEOF in src/qemu/qemu_process.c calls the domain
/// failed or crashed, depending on the version. The target's QEMU ends as `failed`, too, when its migration fails.
fn is_end(kind: &EventKind) -> bool {
    kind.is(LifecycleEvent::Stopped, Detail::Crashed) || kind.is(LifecycleEvent::Stopped, Detail::Failed)
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    #[test]
    fn ends_are_noted_until_they_are_taken() {
        let hub = EventHub::default();
        let ends = QemuEnds::of(&hub);
        for detail in [Detail::Migrated, Detail::Crashed, Detail::Destroyed, Detail::Failed, Detail::Shutdown]
        {
            hub.publish(&HostEvent {
                host: "source".into(),
                domain: "vm1".into(),
                at: Instant::now(),
                wall: SystemTime::now(),
                kind: EventKind::Lifecycle { event: LifecycleEvent::Stopped, detail },
            });
        }
        let kinds = |ends: &[HostEvent]| ends.iter().map(|end| end.kind.to_string()).collect::<Vec<_>>();
        let noted = ends.take();
        assert_eq!(kinds(&noted), ["stopped (crashed)", "stopped (failed)"]);
        assert!(ends.take().is_empty());
        ends.give_back(noted);
        assert_eq!(ends.take().len(), 2);
        assert!(ends.take().is_empty());
    }
}
