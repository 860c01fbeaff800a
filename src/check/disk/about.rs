//! What the check says of itself.

use crate::check::{About, Advice, Moment};

pub static ABOUT: About = About {
    id: "disk",
    summary: "disk intact",
    how: "the same program writes records with sequence number and checksum past the page cache and synced, and reads all of \
          them back; no file system of a disk has become read-only since the look before, also between two scenarios",
    asked: &[Moment::Start, Moment::Leg, Moment::End],
    advice: &[RECORDS, WRITES, HANGS, READ_ONLY],
    ..About::BASE
};

/// What to look at when a record is wrong.
pub const RECORDS: Advice = Advice::new(
    "a record is not as it was written",
    "kind=lost or stale: a synced write is gone; torn: half of one arrived; doubled: it is in a second place. QEMU's logs of \
     both hosts and NFS-Ganesha's of the storage server are in the evidence; a kernel's NFS server has none",
);

/// What to look at when a write failed.
pub const WRITES: Advice = Advice::new(
    "a write failed",
    "the guest's kernel log and QEMU's logs in the evidence say which request failed, and why",
);

/// What to look at when nothing was written.
pub const HANGS: Advice =
    Advice::new("nothing was written", "does the guest's disk hang, or does the storage server not answer?");

/// What to look at when a file system has become read-only.
pub const READ_ONLY: Advice = Advice::new(
    "a file system has become read-only",
    "its kernel makes it so after an error of the disk: the guest's kernel log in the evidence has the error, and QEMU's logs the request; \
     without an error somebody in the guest did",
);
