//! It migrated: libvirt completed the migration within its timeout.

use super::{About, Advice, Check, Moment, Proof};

pub static ABOUT: About = About {
    id: "migration",
    summary: "it migrated",
    how: "libvirt completed it within its timeout; its statistics and events are in the record",
    asked: &[Moment::Leg],
    advice: &[FAILED],
    ..About::BASE
};

const FAILED: Advice = Advice::new(
    "libvirt reported an error, or the time was up",
    "libvirtd.log and QEMU's logs of both hosts are in the evidence",
);

/// The check.
pub struct Migration;

impl Check for Migration {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

/// A migration that libvirt did not complete.
pub fn failed(error: &str) -> Proof {
    Proof::new(&ABOUT, false, "libvirt completes the migration", error).advise(&FAILED)
}
