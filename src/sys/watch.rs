//! A thread that watches something beside everything else, until it is stopped.

use std::thread::{self, JoinHandle};

use crate::failure::{Attempt, Failure, Result};
use crate::sys::parallel::panic_text;
use crate::sys::stop::StopFlag;

/// The running thread. Dropping it tells the thread to stop without waiting, which catches an early return.
pub struct Watch<T> {
    name: &'static str,
    stop: StopFlag,
    thread: Option<JoinHandle<T>>,
}

impl<T> Drop for Watch<T> {
    fn drop(&mut self) {
        self.stop.set();
    }
}

impl<T: Send + 'static> Watch<T> {
    /// Starts `work`, which must return soon after its stop flag is set. The name has at most 15 bytes (prctl(2),
    /// PR_SET_NAME).
    pub fn start(name: &'static str, work: impl FnOnce(&StopFlag) -> T + Send + 'static) -> Result<Watch<T>> {
        let stop = StopFlag::new();
        let token = stop.clone();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&token))
            .attempting(|| format!("start the thread {name}"))?;
        Ok(Watch { name, stop, thread: Some(thread) })
    }

    /// Stops the thread, and returns its result.
    pub fn stop(mut self) -> Result<T> {
        self.stop.set();
        let failed = |why: &str| Failure::new(format!("end the thread {}", self.name), why);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => Ok(result),
            Some(Err(panic)) => Err(failed(&format!("it panicked: {}", panic_text(&*panic)))),
            None => Err(failed("it is gone")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn until_told(stop: &StopFlag) -> &'static str {
        stop.pause(Duration::from_secs(600));
        "seen"
    }

    #[test]
    fn it_goes_on_until_it_is_stopped() {
        assert_eq!(Watch::start("test", until_told).unwrap().stop().unwrap(), "seen");
    }

    #[test]
    fn whoever_forgets_it_has_stopped_it() {
        let (told, heard) = std::sync::mpsc::channel();
        drop(Watch::start("test", move |stop| told.send(until_told(stop))).unwrap());
        assert_eq!(heard.recv_timeout(Duration::from_secs(60)), Ok("seen"));
    }

    #[test]
    fn a_panic_is_told() {
        let watch: Watch<()> = Watch::start("test", |_| panic!("out of cheese")).unwrap();
        assert!(watch.stop().unwrap_err().to_string().contains("out of cheese"));
    }
}
