//! A call that may block, with a caller who stops waiting: at a limit, or soon after the run was interrupted.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::wait::StopFlag;

/// How long an answer is awaited after the run was interrupted: what answers at all answers in that time.
const AFTER_STOP: Duration = Duration::from_secs(3);

/// How often a caller who waits looks at the flag.
const LOOK_AT_FLAG: Duration = Duration::from_millis(50);

/// Makes a call in a thread of its own and waits for its answer no longer than the limit; none if nobody waits any more, or if
/// the call panicked. One that never returns keeps its thread, and whatever it was given.
pub fn answer<T: Send + 'static>(
    limit: Duration,
    stop: &StopFlag,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let begin = Instant::now();
    let mut stopped: Option<Instant> = None;
    let (tell, told) = channel();
    let calling = move || {
        // Nobody may be waiting any more.
        let _ = tell.send(call());
    };
    // A thread that cannot be started is a call that is never answered.
    thread::Builder::new().name("bounded call".into()).spawn(calling).ok()?;
    loop {
        let left = limit.saturating_sub(begin.elapsed());
        match told.recv_timeout(left.min(LOOK_AT_FLAG)) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) if left.is_zero() => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stopped.is_none() && stop.is_set() {
            stopped = Some(Instant::now());
        }
        if stopped.is_some_and(|at| at.elapsed() >= AFTER_STOP) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn never() {
        loop {
            thread::park();
        }
    }

    #[test]
    fn a_call_that_never_returns_is_left_alone() {
        assert_eq!(answer(Duration::from_millis(1), &StopFlag::new(), never), None);
    }

    #[test]
    fn an_interruption_ends_the_wait_soon() {
        let stop = StopFlag::new();
        stop.set();
        let begin = Instant::now();
        assert_eq!(answer(LONG, &stop, never), None);
        assert!(begin.elapsed() >= AFTER_STOP);
        assert_eq!(answer(LONG, &stop, || 3), Some(3), "what answers is still heard");
    }

    #[test]
    fn a_panic_is_no_answer() {
        assert_eq!(answer(LONG, &StopFlag::new(), || -> u8 { panic!("on purpose") }), None);
    }
}
