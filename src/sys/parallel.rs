//! Runs one operation on several items in parallel.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// Does something with every item, each in a thread of its own; results in the items' order. One item's failure, or
/// panic, is no other's.
pub fn at_once<I: Send, T: Send>(
    what: &str,
    items: impl IntoIterator<Item = I>,
    action: impl Fn(I) -> Result<T> + Sync,
) -> Vec<Result<T>> {
    thread::scope(|scope| {
        let action = &action;
        let threads: Vec<_> = items
            .into_iter()
            .map(|item| {
                thread::Builder::new().name(what.to_owned()).spawn_scoped(scope, move || action(item))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => Err(Failure::new(what, format!("panicked: {}", panic_text(&*panic)))),
                Err(error) => Err(Failure::new(what, format!("no thread: {error}"))),
            })
            .collect()
    })
}

/// What is behind a lock whose every change is complete in one step: a panic elsewhere has not spoilt it.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is behind such a lock, if whoever holds it lets go of it within the limit.
pub fn lock_within<T>(mutex: &Mutex<T>, limit: Duration) -> Option<MutexGuard<'_, T>> {
    let begin = Instant::now();
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if begin.elapsed() >= limit => return None,
            Err(TryLockError::WouldBlock) => thread::sleep(LOOK_AT_LOCK),
        }
    }
}

/// How often a lock is looked at that somebody holds.
const LOOK_AT_LOCK: Duration = Duration::from_millis(10);

/// Lets everybody through when all have come, or when the limit is over: one who never comes must not keep the others
/// for ever.
pub struct Gate {
    missing: Mutex<usize>,
    all: Condvar,
}

impl Gate {
    pub fn new(count: usize) -> Gate {
        Gate { missing: Mutex::new(count), all: Condvar::new() }
    }

    /// Comes, and waits for the others.
    pub fn pass(&self, limit: Duration) {
        let mut missing = locked(&self.missing);
        *missing = missing.saturating_sub(1);
        self.all.notify_all();
        let waited = self.all.wait_timeout_while(missing, limit, |missing| *missing > 0);
        drop(waited);
    }
}

/// The text of a panic, as far as it has one.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever_at_a_gate() {
        let gate = Gate::new(3);
        let results = at_once("pass", [1, 2], |number| {
            gate.pass(Duration::from_millis(20));
            Ok(number)
        });
        assert_eq!(results, [Ok(1), Ok(2)]);
    }

    #[test]
    fn a_lock_that_is_held_is_not_waited_for_without_end() {
        let mutex = Mutex::new(3);
        let held = locked(&mutex);
        assert!(lock_within(&mutex, Duration::from_millis(1)).is_none());
        drop(held);
        assert_eq!(lock_within(&mutex, Duration::ZERO).as_deref(), Some(&3));
    }

    #[test]
    fn a_panic_is_one_items_failure() {
        let results = at_once("halve", [2, 3, 4], |number| {
            assert!(number % 2 == 0, "{number} is odd");
            Ok(number / 2)
        });
        assert_eq!(results[0], Ok(1));
        assert!(results[1].as_ref().unwrap_err().to_string().contains("3 is odd"));
        assert_eq!(results[2], Ok(2));
    }
}
