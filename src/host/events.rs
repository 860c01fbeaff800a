//! libvirt's events of both hosts, handed to whoever asks for a guest's.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::libvirt::Event;

/// Distributes events to listeners. Clones share them.
#[derive(Clone, Default)]
pub struct EventHub(Arc<Mutex<Vec<Entry>>>);

struct Entry {
    /// Only this guest's events; every guest's if absent.
    domain: Option<String>,
    to: Sender<Event>,
}

/// Receives events until dropped.
pub type Listener = Receiver<Event>;

impl EventHub {
    /// Events from now on, of one guest or of all.
    pub fn listen(&self, domain: Option<&str>) -> Listener {
        let (to, listener) = channel();
        self.entries().push(Entry { domain: domain.map(str::to_owned), to });
        listener
    }

    /// Hands an event out; called on libvirt's event thread, so it only sends.
    pub fn publish(&self, event: &Event) {
        self.entries().retain(|entry| {
            let wanted = entry.domain.as_ref().is_none_or(|domain| *domain == event.domain);
            !wanted || entry.to.send(event.clone()).is_ok()
        });
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for EventHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EventHub").field(&self.entries().len()).finish()
    }
}
