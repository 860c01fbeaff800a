//! One wire to a libvirt daemon, for one call at a time.
//!
//! libvirt's client lets threads share a wire: the first one that waits for an answer reads for all, and one that has a call to send wakes
//! it up. Up to libvirt 10.3 each waking leaves an event source behind, which points into the stack of the thread that waited and is looked
//! at when the daemon sends something or closes (CVE-2024-4418). A thread that was abandoned has long ended by then, and the process
//! crashes. Where no two calls share a wire, the only thread that is ever woken is still there.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use virt::connect::Connect;

use super::{Error, Libvirt, Result};
use crate::sys::bounded;

/// The seconds between two keepalive messages, and how many may stay unanswered: libvirt notices a dead host after 130 s.
/// virsh's own 5 s and 6 messages (35 s) would cut the wire, and with it the migration, to a host whose memory is
/// overcommitted on purpose.
const KEEPALIVE_INTERVAL_S: i32 = 10;
const KEEPALIVE_COUNT: u32 = 12;

/// How long the daemon may take to answer when a wire closes or its events end.
pub(super) const GOODBYE_LIMIT: Duration = Duration::from_secs(2);

pub(super) struct Wire {
    /// The open wire; none only while this is being dropped.
    connect: Option<Connect>,
    libvirt: Libvirt,
    busy: AtomicBool,
}

impl Wire {
    /// Opens a wire with keepalive.
    pub fn dial(uri: &str, host: &Arc<str>, libvirt: &Libvirt) -> Result<Arc<Wire>> {
        let connect = Connect::open(Some(uri)).map_err(|e| Error::new("connect", &e).on(host))?;
        if let Err(e) = connect.set_keep_alive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT) {
            let error = Error::new("set keepalive", &e).on(host);
            // Drivers without a daemon, such as the test driver, do not support keepalive.
            if !error.is_no_support() {
                return Err(error);
            }
        }
        Ok(Arc::new(Wire { connect: Some(connect), libvirt: libvirt.clone(), busy: AtomicBool::new(false) }))
    }

    /// The wire for one call; none while another call has it.
    pub fn take(self: &Arc<Wire>) -> Option<Turn> {
        let free = self.busy.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        free.then(|| Turn(Arc::clone(self)))
    }

    /// Whether neither the daemon nor keepalive has closed it. This makes no call.
    pub fn is_open(&self) -> bool {
        self.raw().is_alive().unwrap_or(false)
    }

    /// libvirt's handle. Its calls to the daemon need the wire's [`Turn`]; whether the wire is open it knows by itself.
    pub fn raw(&self) -> &Connect {
        match &self.connect {
            Some(connect) => connect,
            None => unreachable!("a wire that is used is not being dropped"),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A close makes a call to the daemon, which may not answer any more.
        let connect = self.connect.take();
        let _ = bounded::answer(GOODBYE_LIMIT, self.libvirt.stop(), move || drop(connect));
    }
}

/// A wire that one call has, until this is dropped.
pub(super) struct Turn(Arc<Wire>);

impl Turn {
    pub fn wire(&self) -> &Arc<Wire> {
        &self.0
    }
}

impl Deref for Turn {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.0
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}
