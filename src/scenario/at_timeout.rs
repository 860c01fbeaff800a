//! What becomes of a pre-copy that is not complete in time.

use std::fmt;

/// What happens to a pre-copy that is not complete in time, as one may be whose guest dirties memory faster than it can
/// be sent.
///
/// A post-copy is always aborted: to suspend its guest would not make it complete sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AtTimeout {
    /// It is aborted, which fails the scenario.
    Abort,
    /// The guest is suspended so that it can complete, as `virsh migrate --timeout` does. The check `live` fails.
    Suspend,
    /// The same, but allowed: it is reported, and fails no check.
    SuspendAllowed,
}

impl AtTimeout {
    /// Every value, in the order messages list them.
    pub const ALL: [Self; 3] = [Self::Abort, Self::Suspend, Self::SuspendAllowed];

    /// The value's name in `scenarios.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Suspend => "suspend",
            Self::SuspendAllowed => "suspend_allowed",
        }
    }

    /// The value of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.name() == name)
    }
}

impl fmt::Display for AtTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
