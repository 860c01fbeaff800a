//! The flag that ends a wait early.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::sys::parallel::locked;

/// Shared flag, set when the run is interrupted or a watched operation has ended. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<StopState>);

#[derive(Debug, Default)]
struct StopState {
    set: Mutex<bool>,
    changed: Condvar,
}

impl StopFlag {
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag. Every pause on it ends at once.
    pub fn set(&self) {
        *locked(&self.0.set) = true;
        self.0.changed.notify_all();
    }

    pub fn is_set(&self) -> bool {
        *locked(&self.0.set)
    }

    /// Sleeps until the flag is set.
    pub fn wait(&self) {
        let state = locked(&self.0.set);
        drop(self.0.changed.wait_while(state, |set| !*set));
    }

    /// Sleeps for this time, or until the flag is set, whichever is first.
    pub fn pause(&self, time: Duration) {
        let state = locked(&self.0.set);
        drop(self.0.changed.wait_timeout_while(state, time, |set| !*set));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_pause_ends_with_the_token() {
        let stop = StopFlag::new();
        let token = stop.clone();
        let pausing = std::thread::spawn(move || {
            let begin = Instant::now();
            token.pause(Duration::from_secs(600));
            begin.elapsed()
        });
        stop.set();
        assert!(pausing.join().unwrap() < Duration::from_secs(60));
        stop.pause(Duration::from_secs(600));
    }

    #[test]
    fn a_pause_ends_with_its_time() {
        let begin = Instant::now();
        StopFlag::new().pause(Duration::from_millis(20));
        assert!(begin.elapsed() >= Duration::from_millis(20));
    }
}
