//! The one error of everything that touches a machine: what was attempted, where, what came back, what to do.

use std::fmt;

/// Why an action on this machine, a host or a guest did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// The action, as a verb phrase: "start guest vm1".
    pub attempted: String,
    /// Host, guest or path where it was attempted.
    pub place: Option<String>,
    /// What came back: the error of the tool or the library, or the last status seen.
    pub cause: String,
    /// What the reader can do about it.
    pub try_next: Option<String>,
}

impl Failure {
    pub fn new(attempted: impl Into<String>, cause: impl fmt::Display) -> Self {
        Failure { attempted: attempted.into(), place: None, cause: cause.to_string(), try_next: None }
    }

    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    pub fn try_next(mut self, advice: impl Into<String>) -> Self {
        self.try_next = Some(advice.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.attempted)?;
        if let Some(place) = &self.place {
            write!(f, " on {place}")?;
        }
        write!(f, ": {}", self.cause.trim_end())?;
        if let Some(advice) = &self.try_next {
            write!(f, "\n  try next: {advice}")?;
        }
        Ok(())
    }
}

/// Result of an action on a machine.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Gives any error the context that makes it a [`Failure`].
pub trait Attempt<T> {
    /// Names what was attempted; called only on the error path.
    fn attempting(self, attempted: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Attempt<T> for Result<T, E> {
    fn attempting(self, attempted: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Failure::new(attempted(), cause))
    }
}
