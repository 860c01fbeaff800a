//! The subscriptions of one connection: each event goes to all of them.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use super::{EventKind, HostEvent};

pub(super) type EventSink = Arc<dyn Fn(HostEvent) + Send + Sync>;

/// The subscriptions of one connection.
pub(super) struct Hub {
    pub(super) registered: Mutex<Registered>,
    pub(super) receiver: Arc<Receiver>,
}

#[derive(Default)]
pub(super) struct Registered {
    /// libvirt's numbers of the callbacks; none while there is no subscription.
    pub(super) callbacks: Vec<c_int>,
    pub(super) next_id: u64,
}

/// The data that libvirt hands to a callback: one `Arc` of it per registration.
pub(super) struct Receiver {
    host: Arc<str>,
    pub(super) sinks: Mutex<BTreeMap<u64, EventSink>>,
}

impl Hub {
    pub fn new(host: &Arc<str>) -> Hub {
        Hub {
            registered: Mutex::default(),
            receiver: Arc::new(Receiver { host: host.clone(), sinks: Mutex::default() }),
        }
    }
}

impl Receiver {
    pub fn receive(&self, domain: String, kind: EventKind) {
        let event =
            HostEvent { host: self.host.clone(), domain, at: Instant::now(), wall: SystemTime::now(), kind };
        let sinks: Vec<EventSink> = lock(&self.sinks).values().cloned().collect();
        for sink in sinks {
            let event = event.clone();
            // A sink that panics must not keep the event from the others.
            let _ = catch_unwind(AssertUnwindSafe(move || sink(event)));
        }
    }
}

/// Locks our maps even after a panic: a panic in somebody else's sink leaves them whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
