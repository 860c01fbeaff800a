//! The kinds of libssh2's errors.

use std::io;

use ssh2::{ErrorCode, Session};

use crate::failure::{Cause, FailureKind};

impl From<ssh2::Error> for Cause {
    fn from(error: ssh2::Error) -> Cause {
        Cause::of(kind(error.code()), error)
    }
}

/// The error of a session's stream: the crate passes on only a text, and libssh2 has the number.
pub(super) fn of_stream(session: &Session, error: io::Error) -> Cause {
    match (error.kind(), ssh2::Error::last_session_error(session)) {
        (io::ErrorKind::Other, Some(error)) => error.into(),
        _ => error.into(),
    }
}

/// The kind of an error number of libssh2.h.
fn kind(code: ErrorCode) -> FailureKind {
    const SOCKET_SEND: i32 = -7;
    const TIMEOUT: i32 = -9;
    const SOCKET_DISCONNECT: i32 = -13;
    const FILE: i32 = -16;
    const AUTHENTICATION_FAILED: i32 = -18;
    const PUBLICKEY_UNVERIFIED: i32 = -19;
    const CHANNEL_CLOSED: i32 = -26;
    const CHANNEL_EOF_SENT: i32 = -27;
    const SOCKET_TIMEOUT: i32 = -30;
    const EAGAIN: i32 = -37;
    const SOCKET_RECV: i32 = -43;
    const BAD_SOCKET: i32 = -45;
    match code {
        ErrorCode::Session(TIMEOUT | SOCKET_TIMEOUT | EAGAIN) => FailureKind::TimedOut,
        ErrorCode::Session(
            SOCKET_SEND | SOCKET_DISCONNECT | SOCKET_RECV | BAD_SOCKET | CHANNEL_CLOSED | CHANNEL_EOF_SENT,
        ) => FailureKind::Unreachable,
        ErrorCode::Session(AUTHENTICATION_FAILED | PUBLICKEY_UNVERIFIED) => FailureKind::Refused,
        ErrorCode::Session(FILE) => FailureKind::Missing,
        ErrorCode::Session(_) | ErrorCode::SFTP(_) => FailureKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_libssh2_has_a_kind() {
        for (number, expected) in [
            (-9, FailureKind::TimedOut),
            (-13, FailureKind::Unreachable),
            (-27, FailureKind::Unreachable),
            (-43, FailureKind::Unreachable),
            (-18, FailureKind::Refused),
            (-16, FailureKind::Missing),
            (-5, FailureKind::Other),
        ] {
            let error = ssh2::Error::from_errno(ErrorCode::Session(number));
            assert_eq!(Cause::from(error).kind, expected, "{number}");
        }
    }
}
