//! A scenario, attended by somebody who stops waiting: when it has outlived its deadline, or soon after the run was interrupted.
//!
//! Whatever can block in a scenario has a limit of its own. This is the net below all of them.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::parallel::panic_text;
use crate::sys::wait::StopFlag;

/// How long a scenario may go on after the run was interrupted: it aborts its migrations, and writes down what it has.
pub const AFTER_STOP: Duration = Duration::from_secs(15);

/// How often whoever attends looks at the clock and the flag.
const INTERVAL: Duration = Duration::from_millis(50);

/// How work ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending<T> {
    Done(T),
    /// The text of its panic.
    Panicked(String),
    /// It goes on, and nobody waits for it any more: at its deadline, or after an interruption.
    Left(Left),
}

/// Why nobody waits for work any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    AtDeadline,
    Interrupted,
}

/// Does work in a thread of that name, so that a panic's message says whose it was. `deadline` is asked again and again, because
/// work may get it only when it comes to what has one.
pub fn attend<T: Send + 'static>(
    name: &str,
    stop: &StopFlag,
    deadline: impl Fn() -> Option<Instant>,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<Ending<T>> {
    let (tell, told) = channel();
    let working = move || {
        // Nobody may be waiting any more.
        let _ = tell.send(work());
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(working)?;
    let mut stopped: Option<Instant> = None;
    loop {
        match told.recv_timeout(INTERVAL) {
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
        if stopped.is_some_and(|at| at.elapsed() >= AFTER_STOP) {
            return Ok(Ending::Left(Left::Interrupted));
        }
        if deadline().is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Ending::Left(Left::AtDeadline));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() {
        loop {
            thread::park();
        }
    }

    #[test]
    fn work_that_ends_is_waited_for() {
        let ending = attend("test", &StopFlag::new(), || None, || 3).unwrap();
        assert_eq!(ending, Ending::Done(3));
    }

    #[test]
    fn a_panic_is_its_text() {
        let ending = attend("test", &StopFlag::new(), || None, || panic!("out of cheese")).unwrap();
        assert_eq!(ending, Ending::<()>::Panicked("out of cheese".to_owned()));
    }

    #[test]
    fn work_that_hangs_is_left_at_its_deadline() {
        let ending = attend("test", &StopFlag::new(), || Some(Instant::now()), never).unwrap();
        assert_eq!(ending, Ending::Left(Left::AtDeadline));
    }

    #[test]
    fn work_that_hangs_is_left_soon_after_an_interruption() {
        let stop = StopFlag::new();
        stop.set();
        let begin = Instant::now();
        let ending = attend("test", &stop, || None, never).unwrap();
        assert_eq!(ending, Ending::Left(Left::Interrupted));
        assert!(begin.elapsed() >= AFTER_STOP);
    }
}
