//! Why a migration did not succeed, in the record's form.

use std::fmt;
use std::iter::successors;

use serde::{Deserialize, Serialize};

use crate::failure::{Cause, FailureKind};
use crate::libvirt;

/// The error of a migration. Its `Display` is its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LegError {
    /// The kind of the failure.
    pub kind: FailureKind,
    /// libvirt's number for its error (`virErrorNumber`): 78 is an aborted operation. Absent if the error is not libvirt's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libvirt_code: Option<u32>,
    /// The attempt and the answer, in words.
    pub words: String,
}

impl From<&Cause> for LegError {
    fn from(cause: &Cause) -> LegError {
        let mut causes = successors(cause.source(), |error| error.source());
        let of_libvirt = causes.find_map(|error| error.downcast_ref::<libvirt::Error>());
        LegError {
            kind: cause.kind,
            libvirt_code: of_libvirt.map(|error| error.code.0),
            words: cause.to_string(),
        }
    }
}

impl fmt::Display for LegError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::libvirt::ErrorCode;

    #[test]
    fn an_error_of_libvirt_keeps_its_kind_and_its_number_through_other_failures() {
        let aborted = libvirt::Error {
            operation: "migrate",
            domain: None,
            host: None,
            destination: None,
            code: ErrorCode(78),
            message: "canceled by client".into(),
        };
        let cause = Cause::from(Failure::new("move vm1", Failure::new("migrate vm1", aborted)));
        let error = LegError::from(&cause);
        assert_eq!((error.kind, error.libvirt_code), (FailureKind::Cancelled, Some(78)));
        assert_eq!(error.to_string(), cause.to_string());
        let text = serde_json::to_string(&error).unwrap();
        assert!(
            text.starts_with(r#"{"kind":"cancelled","libvirt_code":78,"words":"cannot move vm1: "#),
            "{text}"
        );
    }

    #[test]
    fn another_error_has_no_number_of_libvirt() {
        let error = LegError::from(&Cause::new(FailureKind::TimedOut, "no answer"));
        assert_eq!(serde_json::to_string(&error).unwrap(), r#"{"kind":"timed_out","words":"no answer"}"#);
    }
}
