//! A lock that nobody waits for without end.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::halt::ran_since;

/// How often a held lock is tried.
const LOOK_AT_LOCK: Duration = Duration::from_millis(2);

/// Locks data whose every change is complete in one step, if its holder lets go of it within the limit.
pub fn lock_within<T>(mutex: &Mutex<T>, limit: Duration) -> Option<MutexGuard<'_, T>> {
    let begin = Instant::now();
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            // While this process is halted, nobody can give the lock back.
            Err(TryLockError::WouldBlock) if ran_since(begin) >= limit => return None,
            Err(TryLockError::WouldBlock) => thread::sleep(LOOK_AT_LOCK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::parallel::locked;

    #[test]
    fn a_lock_that_is_held_is_not_waited_for_without_end() {
        let mutex = Mutex::new(3);
        let held = locked(&mutex);
        assert!(lock_within(&mutex, Duration::from_millis(1)).is_none());
        drop(held);
        assert_eq!(lock_within(&mutex, Duration::ZERO).as_deref(), Some(&3));
    }
}
