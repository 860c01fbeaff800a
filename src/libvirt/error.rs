//! One error type for every failed call of libvirt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use virt_sys as sys;

use super::ErrorCode;
use crate::failure::{Cause, FailureKind};

/// The result of every call of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed call: the operation, the host, the domain, and libvirt's answer.
///
/// Displayed on one line: `migrate vm1 on source to target: operation aborted: migration out: canceled by client
/// (VIR_ERR_OPERATION_ABORTED, 78)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The operation as a verb: `migrate`, `list domains`.
    pub operation: &'static str,
    /// The domain of the operation, if it has one.
    pub domain: Option<Arc<str>>,
    /// Label of the operation's host; none for a failure inside this process.
    pub host: Option<Arc<str>>,
    /// Label of the second host, if there is one: the destination of a migration.
    pub destination: Option<Arc<str>>,
    /// libvirt's error number.
    pub code: ErrorCode,
    /// libvirt's message, unchanged; a message that quotes QEMU may have several lines.
    pub message: String,
}

impl Error {
    /// An error that libvirt reported through the `virt` crate.
    pub(super) fn new(operation: &'static str, cause: &virt::error::Error) -> Error {
        Error {
            operation,
            domain: None,
            host: None,
            destination: None,
            code: ErrorCode(cause.code().to_raw()),
            message: cause.message().to_owned(),
        }
    }

    /// The error of the libvirt call that just failed. libvirt keeps an error per thread and until the next call, so this
    /// must come right after the failed call, in the same thread.
    pub(super) fn last(operation: &'static str) -> Error {
        Error::new(operation, &virt::error::Error::last_error())
    }

    /// An argument that libvirt cannot take at all.
    pub(super) fn invalid(operation: &'static str, message: impl Into<String>) -> Error {
        Error {
            operation,
            domain: None,
            host: None,
            destination: None,
            code: ErrorCode(sys::VIR_ERR_INVALID_ARG),
            message: message.into(),
        }
    }

    /// A call that has not returned by its deadline.
    pub(super) fn no_answer(operation: &'static str, limit: Duration) -> Error {
        let message = format!("no answer within {} s, or before the run was interrupted", limit.as_secs());
        Error { code: ErrorCode(sys::VIR_ERR_OPERATION_TIMEOUT), ..Error::invalid(operation, message) }
    }

    /// A failure of this process itself, for example a thread that cannot be started.
    pub(super) fn system(operation: &'static str, cause: &std::io::Error) -> Error {
        Error { code: ErrorCode(sys::VIR_ERR_SYSTEM_ERROR), ..Error::invalid(operation, cause.to_string()) }
    }

    pub(super) fn on(mut self, host: &Arc<str>) -> Error {
        self.host = Some(host.clone());
        self
    }

    pub(super) fn of(mut self, domain: &Arc<str>) -> Error {
        self.domain = Some(domain.clone());
        self
    }

    pub(super) fn to(mut self, destination: &Arc<str>) -> Error {
        self.destination = Some(destination.clone());
        self
    }

    /// Whether the domain does not exist on this host (`VIR_ERR_NO_DOMAIN`).
    pub fn is_no_domain(&self) -> bool {
        self.code.0 == sys::VIR_ERR_NO_DOMAIN
    }

    /// Whether the network does not exist on this host (`VIR_ERR_NO_NETWORK`).
    pub fn is_no_network(&self) -> bool {
        self.code.0 == sys::VIR_ERR_NO_NETWORK
    }

    /// Whether the host has no driver for what was asked for: `VIR_ERR_NO_SUPPORT` of libvirtd; of virtqemud, which asks
    /// another daemon, that this daemon's socket is not there (`VIR_ERR_SYSTEM_ERROR`).
    pub fn is_no_driver(&self) -> bool {
        self.is_no_support() || self.code.0 == sys::VIR_ERR_SYSTEM_ERROR
    }

    /// Whether the operation does not fit the domain's present state (`VIR_ERR_OPERATION_INVALID`).
    pub fn is_operation_invalid(&self) -> bool {
        self.code.0 == sys::VIR_ERR_OPERATION_INVALID
    }

    /// Whether the domain has no metadata of the requested namespace (`VIR_ERR_NO_DOMAIN_METADATA`).
    pub fn is_no_metadata(&self) -> bool {
        self.code.0 == sys::VIR_ERR_NO_DOMAIN_METADATA
    }

    /// The kind of the failure, on which other rooms base their decisions.
    pub fn kind(&self) -> FailureKind {
        match self.code.0 {
            sys::VIR_ERR_OPERATION_ABORTED => FailureKind::Cancelled,
            // Another call held the domain's job lock for too long.
            sys::VIR_ERR_OPERATION_TIMEOUT | sys::VIR_ERR_AGENT_UNRESPONSIVE => FailureKind::TimedOut,
            sys::VIR_ERR_NO_CONNECT | sys::VIR_ERR_RPC => FailureKind::Unreachable,
            sys::VIR_ERR_NO_DOMAIN
            | sys::VIR_ERR_NO_NETWORK
            | sys::VIR_ERR_NO_STORAGE_POOL
            | sys::VIR_ERR_NO_STORAGE_VOL => FailureKind::Missing,
            sys::VIR_ERR_AUTH_FAILED
            | sys::VIR_ERR_AUTH_CANCELLED
            | sys::VIR_ERR_ACCESS_DENIED
            | sys::VIR_ERR_OPERATION_DENIED => FailureKind::Refused,
            _ if self.is_refusal() => FailureKind::Refused,
            _ => FailureKind::Other,
        }
    }

    /// Whether this stack can never do what was asked, in any state of the domain: no failure of the operation itself.
    pub fn is_refusal(&self) -> bool {
        [
            sys::VIR_ERR_NO_SUPPORT,
            sys::VIR_ERR_CONFIG_UNSUPPORTED,
            sys::VIR_ERR_ARGUMENT_UNSUPPORTED,
            sys::VIR_ERR_OPERATION_UNSUPPORTED,
        ]
        .contains(&self.code.0)
    }

    /// Nobody answered in time, or libvirt waited in vain for the domain's job lock.
    pub fn is_timeout(&self) -> bool {
        self.code == ErrorCode(sys::VIR_ERR_OPERATION_TIMEOUT)
    }

    /// Whether the driver or the daemon does not have this function (`VIR_ERR_NO_SUPPORT`).
    pub fn is_no_support(&self) -> bool {
        self.code.0 == sys::VIR_ERR_NO_SUPPORT
    }
}

impl std::error::Error for Error {}

impl From<Error> for Cause {
    fn from(error: Error) -> Cause {
        Cause::of(error.kind(), error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if let Some(domain) = &self.domain {
            write!(f, " {domain}")?;
        }
        if let Some(host) = &self.host {
            write!(f, " on {host}")?;
        }
        if let Some(destination) = &self.destination {
            write!(f, " to {destination}")?;
        }
        f.write_str(": ")?;
        // libvirt quotes QEMU's log in some messages, and a list of failures has one line for each.
        for (i, line) in self.message.lines().map(str::trim).filter(|l| !l.is_empty()).enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            f.write_str(line)?;
        }
        write!(f, " ({})", self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_with_everything_known() {
        let error = Error {
            code: ErrorCode(sys::VIR_ERR_OPERATION_ABORTED),
            ..Error::invalid("migrate", "operation aborted: migration out: canceled\nby client\n")
        }
        .of(&"vm1".into())
        .on(&"source".into())
        .to(&"target".into());
        assert_eq!(
            error.to_string(),
            "migrate vm1 on source to target: operation aborted: migration out: canceled | by client \
             (VIR_ERR_OPERATION_ABORTED, 78)"
        );
        assert_eq!(error.kind(), FailureKind::Cancelled);
    }

    #[test]
    fn one_line_with_little_known() {
        assert_eq!(
            Error::invalid("start the event loop", "no").to_string(),
            "start the event loop: no (VIR_ERR_INVALID_ARG, 8)"
        );
    }
}
