//! The one error of everything that touches a machine: the attempt, the place, the cause, the advice. Beside it, mistakes in what a user
//! wrote: files and variables.

mod cause;
pub(crate) mod input;
mod problem;

use std::fmt;

pub use cause::{Cause, FailureKind};
pub use input::InputError;
pub use problem::Problem;

/// A failed action on this machine, a host or a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The action, as a verb phrase: "start guest vm1".
    pub attempted: String,
    /// The host, guest or path of the attempt.
    pub place: Option<String>,
    /// The answer to the attempt.
    pub cause: Cause,
    /// Advice for the reader.
    pub try_next: Option<String>,
}

impl Failure {
    pub fn new(attempted: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Failure { attempted: attempted.into(), place: None, cause: cause.into(), try_next: None }
    }

    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    pub fn try_next(mut self, advice: impl Into<String>) -> Self {
        self.try_next = Some(advice.into());
        self
    }

    /// Gives advice for a failure that has none of its own.
    pub fn or_try_next(mut self, advice: impl Into<String>) -> Self {
        self.try_next.get_or_insert_with(|| advice.into());
        self
    }

    /// Adds a later discovery to the cause's text.
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        self.cause.text.push_str(&more.to_string());
        self
    }

    /// The kind of the failure, for decisions.
    pub fn kind(&self) -> FailureKind {
        self.cause.kind
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.attempted)?;
        if let Some(place) = &self.place {
            write!(f, " on {place}")?;
        }
        write!(f, ": {}", self.cause.text.trim_end())?;
        if let Some(advice) = &self.try_next {
            write!(f, "\n  try next: {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

/// Result of an action on a machine.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Turns an error into a [`Failure`] by giving it its context.
pub trait Attempt<T> {
    /// Names the attempt; called only on the error path.
    fn attempting(self, attempted: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Cause>> Attempt<T> for Result<T, E> {
    fn attempting(self, attempted: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Failure::new(attempted(), cause))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io;

    use super::*;

    fn refused() -> Failure {
        Failure::new("open the door", io::Error::from(io::ErrorKind::PermissionDenied)).at("source")
    }

    #[test]
    fn the_text_says_what_where_why_and_what_next() {
        let failure = refused().try_next("knock");
        assert_eq!(
            failure.to_string(),
            "cannot open the door on source: permission denied\n  try next: knock"
        );
    }

    #[test]
    fn the_error_that_caused_it_is_its_source() {
        let failure = refused();
        let source = failure.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::PermissionDenied));
        assert!(Failure::new("open the door", "it is painted on").source().is_none());
    }

    #[test]
    fn a_failure_that_causes_another_passes_its_kind_on() {
        let outer = Failure::new("enter the house", refused());
        assert_eq!(outer.kind(), FailureKind::Refused);
        assert_eq!(
            outer.to_string(),
            "cannot enter the house: cannot open the door on source: permission denied"
        );
        let inner = outer.source().and_then(|source| source.downcast_ref::<Failure>());
        assert_eq!(inner, Some(&refused()));
    }

    #[test]
    fn what_is_added_to_a_cause_leaves_its_kind() {
        let failure = refused().and("; the bell is broken, too");
        assert_eq!(failure.kind(), FailureKind::Refused);
        assert!(failure.to_string().ends_with("permission denied; the bell is broken, too"), "{failure}");
    }
}
