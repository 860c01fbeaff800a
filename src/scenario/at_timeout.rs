//! The fate of a pre-copy migration that is not complete in time.

use std::fmt;

/// The fate of a pre-copy migration that is not complete in time, such as that of a guest that dirties memory faster than
/// QEMU can send it.
///
/// libvirt always aborts a late post-copy migration: a suspended guest would not make it complete sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AtTimeout {
    /// libvirt aborts the migration, which fails the scenario.
    Abort,
    /// libvirt suspends the guest so that the migration can complete, as `virsh migrate --timeout` does. The check `live` fails.
    Suspend,
    /// libvirt suspends the guest, which is allowed: the report shows it, and no check fails.
    SuspendAllowed,
}

impl AtTimeout {
    /// Every value, in the order of messages.
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
