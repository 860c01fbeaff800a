//! The one way to wait: for a condition, with a deadline and a stop flag. There are no fixed sleeps.

use std::time::{Duration, Instant};

use crate::failure::{Cause, Failure, FailureKind};
use crate::sys::halt::ran_since;
use crate::sys::stop::StopFlag;

/// The result of one look at a condition.
pub enum Poll<T> {
    /// The condition holds.
    Ready(T),
    /// The condition does not hold yet. The text is what the look saw, for the error if it never holds.
    NotYet(String),
    /// The condition cannot hold any more.
    Never(Cause),
}

impl<T> Poll<T> {
    /// The meaning of a failed attempt for the condition that it succeeds. Another attempt may find what is missing, or get
    /// the answer that did not come, but it does not change a refusal or the user's mind.
    pub fn again(cause: impl Into<Cause>) -> Poll<T> {
        let cause = cause.into();
        match cause.kind {
            FailureKind::Cancelled | FailureKind::Refused => Poll::Never(cause),
            FailureKind::TimedOut | FailureKind::Unreachable | FailureKind::Missing | FailureKind::Other => {
                Poll::NotYet(cause.text)
            }
        }
    }
}

/// Looks again and again until the condition holds, `limit` passes or the run is interrupted. Time in which this process was halted
/// does not count.
///
/// The pause between two looks grows from 5 ms to 100 ms, so that short waits end promptly and long ones cost
/// nothing. `what` completes "cannot wait for ...".
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    stop: &StopFlag,
    mut look: impl FnMut() -> Poll<T>,
) -> Result<T, Failure> {
    let failed = |cause: Cause| Failure::new(format!("wait for {what}"), cause);
    let begin = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let last = match look() {
            Poll::Ready(value) => return Ok(value),
            Poll::Never(cause) => return Err(failed(cause)),
            Poll::NotYet(last) => last,
        };
        if stop.is_set() {
            return Err(failed(Cause::interrupted()));
        }
        let spent = ran_since(begin);
        if spent >= limit {
            // A look may have taken longer than the limit by itself.
            let text = format!("not within {:.1} s; last seen: {last}", spent.as_secs_f64());
            return Err(failed(Cause::new(FailureKind::TimedOut, text)));
        }
        stop.pause(pause.min(limit - spent));
        pause = (pause * 3 / 2).min(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_carries_the_last_status() {
        let mut looks = 0;
        let failure = wait_for("the moon", Duration::from_millis(20), &StopFlag::new(), || -> Poll<()> {
            looks += 1;
            Poll::NotYet(format!("look {looks}"))
        })
        .unwrap_err();
        assert!(failure.to_string().contains(&format!("last seen: look {looks}")), "{failure}");
        assert_eq!(failure.kind(), FailureKind::TimedOut);
    }

    #[test]
    fn an_interruption_ends_the_wait() {
        let stop = StopFlag::new();
        stop.set();
        let failure = wait_for("the moon", Duration::from_secs(600), &stop, || -> Poll<()> {
            Poll::NotYet("dark".into())
        })
        .unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Cancelled);
    }

    #[test]
    fn who_refuses_is_not_asked_again() {
        let hour = Duration::from_secs(3600);
        let refused =
            || -> Poll<()> { Poll::again(std::io::Error::from(std::io::ErrorKind::PermissionDenied)) };
        let failure = wait_for("entry", hour, &StopFlag::new(), refused).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Refused);
        let source = std::error::Error::source(&failure);
        assert!(source.is_some_and(|source| source.is::<std::io::Error>()));
    }

    #[test]
    fn who_is_not_there_yet_is_asked_again() {
        let mut looks = 0;
        let waited = wait_for("the door", Duration::from_secs(3600), &StopFlag::new(), || {
            looks += 1;
            if looks == 3 {
                Poll::Ready(looks)
            } else {
                Poll::again(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
            }
        });
        assert_eq!(waited, Ok(3));
    }
}
