//! Work that may block, with a thread that stops waiting at a deadline, or soon after an interruption of the run.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::halt;
use super::parallel::panic_text;
use super::stop::StopFlag;

/// How long a caller waits for an answer after an interruption: whatever answers at all answers within this time.
const AFTER_STOP: Duration = Duration::from_secs(3);

/// How often the waiting thread looks at the clock and the flag.
const INTERVAL: Duration = Duration::from_millis(50);

/// The end of work.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending<T> {
    Done(T),
    /// The work panicked, with this text.
    Panicked(String),
    /// The work goes on, abandoned.
    Left(Left),
}

/// Why work was abandoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    AtDeadline,
    Interrupted,
}

/// Does work in a thread of that name, which a panic's message shows, and waits no longer than its deadline, and no longer
/// than `after_stop` after an interruption. `deadline` is asked again and again, because work may learn its deadline only on
/// the way. Work that never ends keeps its thread, and whatever it was given.
pub fn attend<T: Send + 'static>(
    name: &str,
    stop: &StopFlag,
    after_stop: Duration,
    deadline: impl Fn() -> Option<Instant>,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<Ending<T>> {
    let (tell, told) = channel();
    let working = move || {
        // The receiver is gone after the deadline.
        let _ = tell.send(work());
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(working)?;
    let begin = Instant::now();
    let mut stopped: Option<Instant> = None;
    loop {
        let deadline = deadline();
        let now = Instant::now();
        // The work could do nothing while this process was halted.
        let halted = halt::within(begin, now);
        let left = deadline.map(|deadline| (deadline + halted).saturating_duration_since(now));
        match told.recv_timeout(left.map_or(INTERVAL, |left| left.min(INTERVAL))) {
            Ok(result) => return Ok(Ending::Done(result)),
            Err(RecvTimeoutError::Disconnected) => {
                let text = thread.join().err().map(|panic| panic_text(&*panic).to_owned());
                return Ok(Ending::Panicked(text.unwrap_or_default()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stopped.is_none() && stop.is_set() {
            stopped = Some(Instant::now());
        }
        if stopped.is_some_and(|at| at.elapsed() >= after_stop) {
            return Ok(Ending::Left(Left::Interrupted));
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Ending::Left(Left::AtDeadline));
        }
    }
}

/// Makes a call in a thread of its own and waits for its answer no longer than the limit; none if the call was abandoned or
/// panicked.
pub fn answer<T: Send + 'static>(
    limit: Duration,
    stop: &StopFlag,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let deadline = Instant::now().checked_add(limit);
    // If no thread can be started, the call stays unanswered.
    match attend("bounded call", stop, AFTER_STOP, || deadline, call) {
        Ok(Ending::Done(answer)) => Some(answer),
        Ok(Ending::Panicked(_) | Ending::Left(_)) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(100);

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

    #[test]
    fn work_that_ends_is_waited_for() {
        let ending = attend("test", &StopFlag::new(), SHORT, || None, || 3).unwrap();
        assert_eq!(ending, Ending::Done(3));
    }

    #[test]
    fn a_panic_is_its_text() {
        let ending = attend("test", &StopFlag::new(), SHORT, || None, || panic!("out of cheese")).unwrap();
        assert_eq!(ending, Ending::<()>::Panicked("out of cheese".to_owned()));
    }

    #[test]
    fn work_that_hangs_is_left_at_its_deadline() {
        let ending = attend("test", &StopFlag::new(), SHORT, || Some(Instant::now()), never).unwrap();
        assert_eq!(ending, Ending::Left(Left::AtDeadline));
    }

    #[test]
    fn work_that_hangs_is_left_soon_after_an_interruption() {
        let stop = StopFlag::new();
        stop.set();
        let begin = Instant::now();
        let ending = attend("test", &stop, SHORT, || None, never).unwrap();
        assert_eq!(ending, Ending::Left(Left::Interrupted));
        assert!(begin.elapsed() >= SHORT);
    }
}
