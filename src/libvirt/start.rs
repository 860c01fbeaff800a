//! Starts libvirt in this process: silences its errors and runs its event loop.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::thread;
use std::time::Duration;

use once_cell::sync::OnceCell;
use virt_sys as sys;

use super::{Error, Result, Version};
use crate::sys::stop::StopFlag;

/// Time between two forced turns of the event loop, in milliseconds. The loop blocks as long as nothing is registered; with
/// forced turns it notices registrations that do not wake it up.
const TICK_MS: c_int = 1_000;

/// Pause after a failed turn of the loop, so that a loop that cannot run does not take a whole CPU.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// libvirt, started in this process. Clones are cheap; only this type makes a [`Connection`](super::Connection).
#[derive(Clone, Debug)]
pub struct Libvirt {
    /// Shared stop flag. Once it is set, callers wait only a moment for any call of a connection.
    stop: StopFlag,
    /// How many times longer than elsewhere calls may take.
    slowness: u32,
    /// This field is private, so that only [`Libvirt::start`] makes the type.
    _started: (),
}

static STARTED: OnceCell<Libvirt> = OnceCell::new();

impl Libvirt {
    /// Registers libvirt's event loop, starts the thread `libvirt-events` that runs it for the life of the process, and
    /// stops libvirt from writing errors to stderr by itself.
    ///
    /// The first call does this once per process; later calls return the first result. A failed start may be tried again.
    ///
    /// # Errors
    ///
    /// The loop cannot be registered, or the thread cannot be started.
    pub fn start() -> Result<Libvirt> {
        STARTED.get_or_try_init(start).cloned()
    }

    /// Makes new connections stop waiting for their calls soon after `stop` is set.
    pub fn until(self, stop: &StopFlag) -> Libvirt {
        Libvirt { stop: stop.clone(), ..self }
    }

    /// Makes new connections wait so many times longer, for hosts that are as much slower than others.
    pub fn slower(self, slowness: u32) -> Libvirt {
        Libvirt { slowness: slowness.max(1), ..self }
    }

    pub(super) fn slowness(&self) -> u32 {
        self.slowness
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
}

fn start() -> Result<Libvirt> {
    const OPERATION: &str = "start libvirt's event loop";

    virt::error::clear_error_callback();
    virt::event::event_register_default_impl().map_err(|e| Error::new(OPERATION, &e))?;
    // `virt::event::event_add_timeout` does not serve here: when it fails, it frees a pointer that it never allocated.
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
    Ok(Libvirt { stop: StopFlag::new(), slowness: 1, _started: () })
}

/// Wakes the event loop up and does nothing else.
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
