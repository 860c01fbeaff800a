//! A call that may block, with a caller who stops waiting.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};

/// Makes a call in a thread of its own and waits for it no longer than the limit. One that never returns keeps its
/// thread.
pub fn within<T: Send + 'static, E: Into<Cause> + Send + 'static>(
    limit: Duration,
    attempted: impl Fn() -> String,
    call: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T> {
    let (answer, answered) = channel();
    thread::Builder::new()
        .name("bounded call".into())
        .spawn(move || {
            // Nobody may be waiting any more.
            let _ = answer.send(call());
        })
        .attempting(&attempted)?;
    match answered.recv_timeout(limit) {
        Ok(result) => result.attempting(attempted),
        Err(_) => {
            let words = format!("no answer within {} s", limit.as_secs_f64());
            Err(Failure::new(attempted(), Cause::new(FailureKind::TimedOut, words)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_never_returns_is_left_alone() {
        let failure = within(
            Duration::ZERO,
            || "ask the moon".into(),
            || -> Result<(), String> {
                loop {
                    thread::park();
                }
            },
        );
        assert_eq!(failure.unwrap_err().to_string(), "cannot ask the moon: no answer within 0 s");
    }

    #[test]
    fn an_answer_and_an_error_come_back() {
        let ask = |answer: Result<u8, String>| {
            within(Duration::from_secs(600), || "ask the moon".into(), move || answer)
        };
        assert_eq!(ask(Ok(3)).unwrap(), 3);
        assert_eq!(ask(Err("new".into())).unwrap_err().to_string(), "cannot ask the moon: new");
    }
}
