//! The cause of a failure: its kind, for decisions; its text, for people; and the error behind it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// The kind of a failure, on which decisions depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The user or multivm itself ended the attempt.
    Cancelled,
    /// The answer, or the condition, did not come in time.
    TimedOut,
    /// The other side is absent, or the connection to it is lost. Another attempt may find it.
    Unreachable,
    /// The other side said no, and would say so again.
    Refused,
    /// The requested thing does not exist.
    Missing,
    /// Everything else.
    Other,
}

/// The cause of a failure. Two causes are equal if their kinds and texts are; the source does not count.
#[derive(Debug, Clone)]
pub struct Cause {
    pub kind: FailureKind,
    pub text: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Cause {
    /// A cause without an error behind it.
    pub fn new(kind: FailureKind, text: impl fmt::Display) -> Cause {
        Cause { kind, text: text.to_string(), source: None }
    }

    /// An error of another library.
    pub fn of(kind: FailureKind, error: impl Error + Send + Sync + 'static) -> Cause {
        Cause { kind, text: error.to_string(), source: Some(Arc::new(error)) }
    }

    /// The cause of everything that an interruption of the run ended.
    pub fn interrupted() -> Cause {
        Cause::new(FailureKind::Cancelled, "the run was interrupted")
    }

    /// Puts what the error was about before the text.
    pub fn about(mut self, what: impl fmt::Display) -> Cause {
        self.text = format!("{what}: {}", self.text);
        self
    }

    pub fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Cause) -> bool {
        (self.kind, &self.text) == (other.kind, &other.text)
    }
}

impl Eq for Cause {}

impl From<&str> for Cause {
    fn from(text: &str) -> Cause {
        Cause::new(FailureKind::Other, text)
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Cause {
        Cause { kind: FailureKind::Other, text, source: None }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Cause {
        Cause::of(error.kind().into(), error)
    }
}

impl From<Errno> for Cause {
    fn from(error: Errno) -> Cause {
        Cause::of(io::Error::from(error).kind().into(), error)
    }
}

impl From<super::Failure> for Cause {
    fn from(failure: super::Failure) -> Cause {
        Cause::of(failure.kind(), failure)
    }
}

/// Errors that no decision depends on.
macro_rules! other {
    ($($error:ty),+) => {
        $(impl From<$error> for Cause {
            fn from(error: $error) -> Cause {
                Cause::of(FailureKind::Other, error)
            }
        })+
    };
}

other!(serde_json::Error, minijinja::Error, std::net::AddrParseError, std::num::ParseIntError);

impl From<io::ErrorKind> for FailureKind {
    fn from(kind: io::ErrorKind) -> FailureKind {
        use io::ErrorKind as Io;
        match kind {
            Io::TimedOut | Io::WouldBlock => FailureKind::TimedOut,
            Io::ConnectionRefused
            | Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::NotConnected
            | Io::BrokenPipe
            | Io::HostUnreachable
            | Io::NetworkUnreachable
            | Io::NetworkDown => FailureKind::Unreachable,
            Io::PermissionDenied => FailureKind::Refused,
            Io::NotFound => FailureKind::Missing,
            _ => FailureKind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_has_the_kind_that_its_io_error_has() {
        for (errno, kind) in [
            (Errno::ECONNREFUSED, FailureKind::Unreachable),
            (Errno::EHOSTUNREACH, FailureKind::Unreachable),
            (Errno::EPIPE, FailureKind::Unreachable),
            (Errno::ETIMEDOUT, FailureKind::TimedOut),
            (Errno::EAGAIN, FailureKind::TimedOut),
            (Errno::EACCES, FailureKind::Refused),
            (Errno::EPERM, FailureKind::Refused),
            (Errno::ENOENT, FailureKind::Missing),
            (Errno::ENOSPC, FailureKind::Other),
        ] {
            assert_eq!(Cause::from(errno).kind, kind, "{errno}");
            assert_eq!(Cause::from(io::Error::from(errno)).kind, kind, "{errno}");
        }
    }

    #[test]
    fn a_text_is_of_no_kind() {
        assert_eq!(Cause::from("timed out").kind, FailureKind::Other);
        assert_eq!(Cause::interrupted().kind, FailureKind::Cancelled);
    }

    #[test]
    fn what_it_is_about_stands_before_it() {
        let cause = Cause::from(Errno::ENOENT).about("/no/key");
        assert_eq!((cause.kind, cause.text.starts_with("/no/key: ENOENT")), (FailureKind::Missing, true));
    }
}
