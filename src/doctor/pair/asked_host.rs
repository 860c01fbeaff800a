//! A host of a pair that was asked, and what is said of it.

use std::net::Ipv4Addr;
use std::time::SystemTime;

use crate::doctor::Diagnosis;
use crate::inventory::file::{Consent, ListedHost, Pair};
use crate::remote::{Facts, Identity, Remote};

/// A host that was asked.
pub(super) struct AskedHost<'a> {
    /// `source` or `target`.
    pub(super) name: &'static str,
    pub(super) machine: &'a ListedHost,
    pub(super) identity: Identity,
    pub(super) remote: Remote,
    pub(super) facts: Facts,
    /// What the login's user may do without root's rights.
    pub(super) user: Facts,
    pub(super) clock: ClockReading,
    /// This machine's address on the way to both hosts, if it is to be a member of the pair's overlay.
    pub(super) here: Option<Ipv4Addr>,
    /// The run that asks, if it has taken the hosts.
    pub(super) run: Option<&'a str>,
}

/// What a host said when it was asked for the time.
pub(super) struct ClockReading {
    /// When the host was asked, and when it had answered.
    pub(super) asked: [SystemTime; 2],
    /// The host's time, in whole seconds since 1970; none if the host did not say.
    pub(super) now: Option<u64>,
}

/// How far the way into a host went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoginStage {
    /// The host proves its identity.
    Identity,
    /// The user logs in.
    Login,
    /// The user becomes root.
    Root,
    /// The host says what it has.
    Facts,
}

impl AskedHost<'_> {
    pub(super) fn good(&self, what: &str, seen: impl Into<String>) -> Diagnosis {
        Diagnosis::good(self.subject(what), seen)
    }

    pub(super) fn warn(&self, what: &str, seen: impl Into<String>, advice: impl Into<String>) -> Diagnosis {
        Diagnosis::warn(self.subject(what), seen, advice)
    }

    pub(super) fn missing(
        &self,
        what: &str,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Diagnosis {
        Diagnosis::missing(self.subject(what), seen, advice)
    }

    /// Something that a command mends, or multivm with the user's consent.
    pub(super) fn mendable(
        &self,
        what: &str,
        seen: impl Into<String>,
        Mend { wanted, command, consent }: Mend<'_>,
        pair: &Pair,
    ) -> Diagnosis {
        if pair.allow.contains(&consent) {
            let advice = format!("wanted: {wanted}; multivm may do it: `{consent}` is allowed");
            return self.warn(what, seen, advice);
        }
        let advice = format!("wanted: {wanted}; {command}; or multivm does it, if `allow` has `{consent}`");
        self.missing(what, seen, advice)
    }

    pub(super) fn subject(&self, what: &str) -> String {
        format!("{}: {what}", self.name)
    }
}

/// The way to mend something.
pub(super) struct Mend<'a> {
    pub(super) wanted: &'a str,
    pub(super) command: String,
    pub(super) consent: Consent,
}
