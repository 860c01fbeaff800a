//! Starting libvirt in this process: errors silenced, event loop running.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::thread;
use std::time::Duration;

use once_cell::sync::OnceCell;
use virt_sys as sys;

use super::{Connection, Error, Result, Version};
use crate::sys::wait::StopFlag;

/// How often the event loop wakes up though nothing happened, in milliseconds. The loop blocks as long as nothing is
/// registered; waking up now and then makes it notice what was registered by other means than its own wake-up.
const TICK_MS: c_int = 1_000;

/// Rest after a failed turn of the loop, so that a loop that cannot run does not take a whole CPU.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// libvirt, started in this process. Cheap to clone; the only maker of a [`Connection`].
#[derive(Clone, Debug)]
pub struct Libvirt {
    /// Set when the run is interrupted: from then on no call of a connection is waited for any longer than a moment.
    stop: StopFlag,
    /// Private, so that only [`Libvirt::start`] makes one.
    _started: (),
}

static STARTED: OnceCell<Libvirt> = OnceCell::new();

impl Libvirt {
    /// Registers libvirt's event loop, starts the thread `libvirt-events` that runs it for the life of the process, and
    /// stops libvirt from writing errors to stderr by itself.
    ///
    /// It does so once per process; later calls return the first result. A failed start may be tried again.
    ///
    /// # Errors
    ///
    /// When the loop cannot be registered or the thread cannot be started.
    pub fn start() -> Result<Libvirt> {
        STARTED.get_or_try_init(start).cloned()
    }

    /// A maker of connections whose calls are not waited for once `stop` is set.
    pub fn until(self, stop: &StopFlag) -> Libvirt {
        Libvirt { stop: stop.clone(), ..self }
    }

    pub(super) fn stop(&self) -> &StopFlag {
        &self.stop
    }

    /// Version of the client library in this process.
    pub fn library_version(&self) -> Result<Version> {
        let encoded = virt::connect::Connect::version()
            .map_err(|e| Error::new("read the version of the client library", &e))?;
        Ok(Version::decode(encoded))
    }

    /// Opens a connection that can change things, with keepalive.
    ///
    /// `host_label` is how events and errors of this connection name the host: `source`, `target`.
    ///
    /// # Errors
    ///
    /// When the transport, the login or the daemon fails; libvirt's message quotes what ssh wrote.
    pub fn connect(&self, uri: &str, host_label: &str) -> Result<Connection> {
        Connection::open(self, uri, host_label)
    }
}

fn start() -> Result<Libvirt> {
    const OPERATION: &str = "start libvirt's event loop";

    virt::error::clear_error_callback();
    virt::event::event_register_default_impl().map_err(|e| Error::new(OPERATION, &e))?;
    // Not through `virt::event::event_add_timeout`: when that fails it frees a pointer that it never allocated.
    //
    // SAFETY: the loop is registered; `tick` matches `virEventTimeoutCallback` and uses no data, so there is nothing to
    // outlive or to free.
    let timer = unsafe { sys::virEventAddTimeout(TICK_MS, Some(tick), ptr::null_mut(), None) };
    if timer < 0 {
        return Err(Error::last(OPERATION));
    }
    thread::Builder::new()
        .name("libvirt-events".to_owned())
        .spawn(|| {
            loop {
                if virt::event::event_run_default_impl().is_err() {
                    thread::sleep(PAUSE_AFTER_FAILURE);
                }
            }
        })
        .map_err(|e| Error::system(OPERATION, &e))?;
    Ok(Libvirt { stop: StopFlag::new(), _started: () })
}

/// Wakes the loop up, nothing else.
extern "C" fn tick(_timer: c_int, _opaque: *mut c_void) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_once_for_all_threads() {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| Libvirt::start().unwrap());
            }
        });
        let version = Libvirt::start().unwrap().library_version().unwrap();
        assert!(version >= Version::new(8, 5, 0), "{version}");
    }
}
