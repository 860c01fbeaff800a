//! How far the switch to post-copy is.

use std::time::Instant;

/// The state of the switch to post-copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostCopy {
    /// The pass in which the order is to come has not begun.
    Waiting,
    /// The watch orders it from this moment on.
    Due(Instant),
    /// Ordered, or too late to order; QEMU has not switched.
    Ordered,
    Switched,
}
