//! TCP connections that one guest opens to another: what multivm asks guests for itself shows nothing of these.

use std::time::{Duration, Instant};

use super::Guest;
use super::reaches::Reaches;
use super::vm::{CONNECT_LIMIT, UNUSED_PORT};
use crate::failure::{FailureKind, Result};
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// An attempt of a guest to reach another one that answered multivm.
#[derive(Debug, Clone, PartialEq)]
pub struct Reach {
    /// The name of the other guest.
    pub to: String,
    pub result: Result<()>,
    /// When the guest last reached another one.
    pub last: Instant,
}

impl Guest {
    /// Lets the guest open a TCP connection to another one, which may refuse it, within `limit`. None where nothing is known:
    /// the other guest does not answer multivm either, our program in this guest does not, the run was interrupted, or the
    /// network keeps guests apart. `answer_limit` is the time for our program's answer beside that for the connection.
    pub fn reach(
        &self,
        other: &Guest,
        limit: Duration,
        answer_limit: Duration,
        stop: &StopFlag,
    ) -> Option<Reach> {
        let before = *locked(&self.reaches);
        if before == Reaches::Apart {
            return None;
        }
        let to = (other.address, UNUSED_PORT).into();
        let what = format!("an answer of {} to a TCP connection of {}", other.name, self.name);
        let open = |patience| self.agent.connect(to, patience, answer_limit);
        let answers = |patience| other.connect_anew(patience).is_ok();
        let result = tried(&what, limit, stop, open, answers)?;
        let now = Instant::now();
        let after = before.after(result.is_ok(), now);
        *locked(&self.reaches) = after;
        match after {
            Reaches::Last(last) => Some(Reach { to: other.name.clone(), result, last }),
            Reaches::Untried | Reaches::Apart => None,
        }
    }
}

/// Opens a connection again and again until it has an answer or `limit` has passed; none if that proves nothing. `open`
/// returns what came instead of an answer. After each failed attempt the other guest must answer multivm: one that does not
/// may stand still for its own move, and other checks ask for that.
fn tried(
    what: &str,
    limit: Duration,
    stop: &StopFlag,
    mut open: impl FnMut(Duration) -> Result<Option<String>>,
    answers: impl Fn(Duration) -> bool,
) -> Option<Result<()>> {
    // The program that waits answers no other question, so the first attempt is short.
    let mut patience = CONNECT_LIMIT;
    let tried = wait_for(what, limit, stop, || {
        let seen = match open(patience) {
            Ok(None) => return Poll::Ready(Some(())),
            Ok(Some(seen)) => seen,
            Err(_) => return Poll::Ready(None),
        };
        patience = CONNECT_LIMIT.max(limit / 4);
        if answers(patience) { Poll::NotYet(seen) } else { Poll::Ready(None) }
    });
    match tried {
        Err(failure) if failure.kind() == FailureKind::Cancelled => None,
        tried => tried.transpose(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::failure::Failure;

    const LIMIT: Duration = Duration::from_millis(40);

    /// The result for a guest whose attempts end so, the last of them again and again, and another one that answers so many
    /// times.
    fn with(attempts: &[Result<Option<String>>], answered: u32) -> (Option<Result<()>>, usize) {
        let (tries, answers) = (Cell::new(0), Cell::new(answered));
        let open = |_| {
            let attempt = attempts[tries.get().min(attempts.len() - 1)].clone();
            tries.set(tries.get() + 1);
            attempt
        };
        let other = |_| {
            let left = answers.get();
            answers.set(left.saturating_sub(1));
            left > 0
        };
        (tried("an answer", LIMIT, &StopFlag::new(), open, other), tries.get())
    }

    fn silence() -> Result<Option<String>> {
        Ok(Some("timed out".into()))
    }

    #[test]
    fn one_answer_is_enough() {
        assert_eq!(with(&[Ok(None)], 0), (Some(Ok(())), 1));
        assert_eq!(with(&[silence(), silence(), Ok(None)], 2), (Some(Ok(())), 3));
    }

    #[test]
    fn who_answers_multivm_all_the_time_and_not_the_guest_is_not_reached() {
        let (result, tries) = with(&[silence()], u32::MAX);
        let failure = result.unwrap().unwrap_err();
        assert_eq!(failure.kind(), FailureKind::TimedOut);
        assert!(failure.to_string().contains("last seen: timed out") && tries > 1, "{failure}");
    }

    #[test]
    fn nothing_is_known_of_the_way_to_one_who_answers_nobody() {
        assert_eq!(with(&[silence()], 0), (None, 1));
        assert_eq!(with(&[silence()], 2), (None, 3));
    }

    #[test]
    fn nothing_is_known_of_a_guest_that_does_not_say() {
        assert_eq!(with(&[Err(Failure::new("ask", "no answer"))], u32::MAX), (None, 1));
    }

    #[test]
    fn nothing_is_known_after_an_interruption() {
        let stop = StopFlag::new();
        stop.set();
        assert_eq!(tried("an answer", LIMIT, &stop, |_| silence(), |_| true), None);
    }
}
