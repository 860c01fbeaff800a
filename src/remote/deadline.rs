//! A deadline for calls of libssh2 that would otherwise wait for ever.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use ssh2::Session;

use super::error::of_stream;
use crate::failure::{Cause, FailureKind};
use crate::sys::halt::ran_since;
use crate::sys::interrupt;

/// The moment by which an action must be over. Time in which this process was halted does not count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    begin: Instant,
    limit: Duration,
    /// Whether an interruption of the run shortens it.
    is_steadfast: bool,
}

/// How long a blocking call may take before the deadline is checked again, and how long a session that is given up may take
/// to say goodbye.
const SLICE: Duration = Duration::from_millis(250);

/// How long anything is waited for that was begun before the run was interrupted or is begun after it: what cleans up is short.
const AFTER_INTERRUPTION: Duration = Duration::from_secs(5);

impl Deadline {
    pub fn after(limit: Duration) -> Deadline {
        Deadline { begin: Instant::now(), limit, is_steadfast: false }
    }

    /// Decides whether the deadline stays when the run is interrupted.
    pub fn steadfast(self, is_steadfast: bool) -> Deadline {
        Deadline { is_steadfast, ..self }
    }

    /// The remaining time, at least a millisecond: libssh2 takes 0 for "for ever".
    pub fn left(self) -> Result<Duration, Cause> {
        let left = self.limit.checked_sub(ran_since(self.begin)).filter(|left| left.as_millis() > 0);
        let left = left.ok_or_else(|| Cause::new(FailureKind::TimedOut, "no answer in time"))?;
        match self.left_of_interruption(interrupt::at().filter(|_| !self.is_steadfast)) {
            Some(least) if least.as_millis() == 0 => Err(Cause::interrupted()),
            least => Ok(left.min(least.unwrap_or(left))),
        }
    }

    /// What is left of the time that is given to it after an interruption.
    fn left_of_interruption(self, at: Option<Instant>) -> Option<Duration> {
        Some((self.begin.max(at?) + AFTER_INTERRUPTION).saturating_duration_since(Instant::now()))
    }

    /// A deadline after half of the remaining time.
    pub fn half(self) -> Deadline {
        let limit = self.limit.saturating_sub(ran_since(self.begin)) / 2;
        Deadline { begin: Instant::now(), limit, ..self }
    }

    /// A deadline that is no later than `limit` from now.
    pub fn at_most(self, limit: Duration) -> Deadline {
        let left = self.limit.saturating_sub(ran_since(self.begin));
        Deadline { begin: Instant::now(), limit: left.min(limit), ..self }
    }

    /// Lets the session's next blocking call take all of the remaining time.
    pub fn bound(self, session: &Session) -> Result<(), Cause> {
        session.set_timeout(milliseconds(self.left()?));
        Ok(())
    }

    /// Reads from a stream of the session until `done` accepts what came so far, or until the stream ends; returns whether
    /// it ended.
    pub fn read(
        self,
        session: &Session,
        stream: &mut impl Read,
        bytes: &mut Vec<u8>,
        done: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, Cause> {
        let mut block = [0; 16 * 1024];
        while !done(bytes) {
            self.slice(session)?;
            match stream.read(&mut block) {
                Ok(0) => return Ok(true),
                Ok(count) => bytes.extend_from_slice(&block[..count]),
                Err(error) if is_slice_over(error.kind()) => {}
                Err(error) => return Err(of_stream(session, error)),
            }
        }
        Ok(false)
    }

    /// Writes all of `bytes` to a stream of the session.
    pub fn write(self, session: &Session, stream: &mut impl Write, mut bytes: &[u8]) -> Result<(), Cause> {
        while !bytes.is_empty() {
            self.slice(session)?;
            // libssh2 keeps what it has encrypted, and continues with it when it gets the same bytes again.
            match stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_slice_over(error.kind()) => {}
                Err(error) => return Err(of_stream(session, error)),
            }
        }
        Ok(())
    }

    fn slice(self, session: &Session) -> Result<(), Cause> {
        session.set_timeout(milliseconds(self.left()?.min(SLICE)));
        Ok(())
    }
}

/// Ends a session, and waits no longer than a moment for an answer to the goodbye.
pub(super) fn give_up(session: &Session) {
    session.set_timeout(milliseconds(SLICE));
}

fn is_slice_over(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_brought_forward_and_never_put_off() {
        let hour = Duration::from_secs(3600);
        let left = |limit, most| Deadline::after(limit).at_most(most).left().unwrap();
        assert!(left(hour, hour / 60) <= hour / 60);
        assert!(left(hour / 60, hour) <= hour / 60);
    }

    #[test]
    fn no_time_that_is_left_is_for_ever() {
        for limit in [0, 10, 999].map(Duration::from_micros) {
            let cause = Deadline::after(limit).left().unwrap_err();
            assert_eq!(cause.kind, FailureKind::TimedOut);
        }
        assert!(Deadline::after(Duration::from_secs(600)).left().unwrap() > Duration::from_secs(60));
    }

    #[test]
    fn an_interruption_leaves_a_moment() {
        let hour = Deadline::after(Duration::from_secs(3600));
        assert_eq!(hour.left_of_interruption(None), None);
        let long_ago = Deadline { begin: hour.begin.checked_sub(Duration::from_secs(60)).unwrap(), ..hour };
        assert!(
            hour.left_of_interruption(Some(long_ago.begin)).unwrap() > Duration::ZERO,
            "it is begun after it"
        );
        assert!(long_ago.left_of_interruption(Some(hour.begin)).unwrap() > Duration::ZERO);
        assert_eq!(long_ago.left_of_interruption(Some(long_ago.begin)), Some(Duration::ZERO));
    }

    #[test]
    fn half_of_the_time_is_less_than_all_of_it() {
        let deadline = Deadline::after(Duration::from_secs(600));
        assert!(deadline.half().left().unwrap() <= Duration::from_secs(300));
        assert_eq!(Deadline::after(Duration::ZERO).half().left().unwrap_err().kind, FailureKind::TimedOut);
    }

    #[test]
    fn a_time_beyond_what_libssh2_counts_is_its_longest() {
        assert_eq!(milliseconds(Duration::from_secs(u64::MAX)), u32::MAX);
    }
}
