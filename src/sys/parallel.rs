//! Runs one operation on several items in parallel.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::failure::{Cause, Failure, Result};

/// Does something with every item, each in a thread of its own; results are in the items' order. A failure or panic of one
/// item does not affect others.
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

/// Does something with every item, with at most so many at a time; results in the items' order. As soon as `stop` has a reason, no
/// further item is begun: the reason is its result.
pub fn few_at_once<I: Sync, T: Send>(
    most: usize,
    what: &str,
    items: &[I],
    stop: impl Fn() -> Option<Cause> + Sync,
    action: impl Fn(&I) -> Result<T> + Sync,
) -> Vec<Result<T>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some(item) = items.get(number) else { return Ok(done) };
            done.push((number, stop().map_or_else(|| action(item), |why| Err(Failure::new(what, why)))));
        }
    };
    let mut results: Vec<Option<Result<T>>> = items.iter().map(|_| None).collect();
    let mut panicked = Failure::new(what, "it was not begun");
    for done in at_once(what, 0..most.min(items.len()), |_| worker()) {
        match done {
            Ok(done) => done.into_iter().for_each(|(number, result)| results[number] = Some(result)),
            Err(failure) => panicked = failure,
        }
    }
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(panicked.clone()))).collect()
}

/// Locks data whose every change is complete in one step, so that a panic elsewhere has not spoilt it.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets everybody through when all have come, or after the limit: one who never comes must not keep the others for ever.
pub struct Barrier {
    missing: Mutex<usize>,
    all: Condvar,
}

impl Barrier {
    pub fn new(count: usize) -> Barrier {
        Barrier { missing: Mutex::new(count), all: Condvar::new() }
    }

    /// Arrives, and waits for the others.
    pub fn pass(&self, limit: Duration) {
        let mut missing = locked(&self.missing);
        *missing = missing.saturating_sub(1);
        self.all.notify_all();
        let waited = self.all.wait_timeout_while(missing, limit, |missing| *missing > 0);
        drop(waited);
    }
}

/// The text of a panic, if it has one.
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
    use crate::failure::FailureKind;

    #[test]
    fn nobody_waits_for_ever_at_a_barrier() {
        let barrier = Barrier::new(3);
        let results = at_once("pass", [1, 2], |number| {
            barrier.pass(Duration::from_millis(20));
            Ok(number)
        });
        assert_eq!(results, [Ok(1), Ok(2)]);
    }

    #[test]
    fn no_more_than_so_many_are_under_way() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<usize> = (0..20).collect();
        let results = few_at_once(
            3,
            "count",
            &items,
            || None,
            |number| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(*number)
            },
        );
        assert!(results.into_iter().map(Result::unwrap).eq(items));
        assert!(most.into_inner() <= 3);
    }

    #[test]
    fn nothing_is_begun_any_more_when_there_is_a_reason() {
        let begun = AtomicUsize::new(0);
        let stop = || (begun.load(Ordering::SeqCst) >= 2).then(Cause::interrupted);
        let results = few_at_once(1, "begin", &[1, 2, 3, 4], stop, |number| {
            begun.fetch_add(1, Ordering::SeqCst);
            Ok(*number)
        });
        assert_eq!(results[..2], [Ok(1), Ok(2)]);
        assert!(results[2..].iter().all(|result| {
            result.as_ref().is_err_and(|failure| failure.kind() == FailureKind::Cancelled)
        }));
    }

    #[test]
    fn a_panic_is_the_failure_of_what_its_worker_had() {
        let results = few_at_once(
            1,
            "halve",
            &[1, 2],
            || None,
            |number| -> Result<i32> {
                panic!("{number} is odd");
            },
        );
        assert!(results.iter().all(|result| result.as_ref().unwrap_err().to_string().contains("1 is odd")));
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
