//! The session of a run, for those who raise, mend and end its hosts. One of them may hang with it: the others wait for it no longer
//! than a limit.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::stand::Session;
use crate::sys::lock::lock_within;

/// How long one waits for another who has the session.
const LIMIT: Duration = Duration::from_secs(10);

/// A session that several threads use, one after the other.
#[derive(Clone)]
pub struct HeldSession(Arc<Mutex<Option<Session>>>);

impl HeldSession {
    pub fn new(session: Session) -> HeldSession {
        HeldSession(Arc::new(Mutex::new(Some(session))))
    }

    /// Does `what` with the session.
    ///
    /// # Errors
    ///
    /// Something that hangs has the session, or the run has ended.
    pub fn with<T>(&self, what: &str, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let mut session = lock_within(&self.0, LIMIT).ok_or_else(|| hangs(what))?;
        work(session.as_mut().ok_or_else(|| Failure::new(what, "the run has ended"))?)
    }

    /// Ends the session, if nobody has done so.
    pub fn end(&self) -> Vec<Failure> {
        match lock_within(&self.0, LIMIT) {
            Some(mut session) => session.take().map(Session::end).unwrap_or_default(),
            None => vec![hangs("leave the hosts as they were")],
        }
    }
}

fn hangs(what: &str) -> Failure {
    Failure::new(what, "something that hangs still works on the hosts").try_next("multivm reap")
}
