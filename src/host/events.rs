//! Distributes libvirt's events of both hosts to listeners, each for one guest or for all guests.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::libvirt::HostEvent;

/// Distributes events to listeners. Clones share them.
#[derive(Clone, Default)]
pub struct EventHub(Arc<Mutex<Vec<Subscriber>>>);

struct Subscriber {
    /// The guest whose events this one gets; every guest's if none.
    domain: Option<String>,
    /// Passes an event on; returns false when the listener is gone.
    to: Box<dyn Fn(&HostEvent) -> bool + Send>,
}

/// Receives events until it is dropped.
pub type Listener = Receiver<HostEvent>;

impl EventHub {
    /// A listener for events from now on, of one guest or of all.
    pub fn listen(&self, domain: Option<&str>) -> Listener {
        let (to, listener) = channel();
        self.forward(domain, move |event| to.send(event.clone()).is_ok());
        listener
    }

    /// Calls `to` with every event from now on, of one guest or of all, until it returns false. `to` must only send,
    /// because libvirt's event thread calls it.
    pub fn forward(&self, domain: Option<&str>, to: impl Fn(&HostEvent) -> bool + Send + 'static) {
        self.subscribers().push(Subscriber { domain: domain.map(str::to_owned), to: Box::new(to) });
    }

    /// Distributes an event, on libvirt's event thread.
    pub fn publish(&self, event: &HostEvent) {
        self.subscribers().retain(|subscriber| {
            let wanted = subscriber.domain.as_ref().is_none_or(|domain| *domain == event.domain);
            !wanted || (subscriber.to)(event)
        });
    }

    fn subscribers(&self) -> std::sync::MutexGuard<'_, Vec<Subscriber>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for EventHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EventHub").field(&self.subscribers().len()).finish()
    }
}
