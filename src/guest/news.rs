//! News of guests: while a fleet starts, and whenever the kernel of a guest panics.

use std::time::Duration;

use super::Guest;
use super::console::Panic;

/// An event that the user of a fleet should know at once.
#[derive(Debug, Clone, Copy)]
pub enum GuestNews<'a> {
    /// The copy of an image for a guest goes on; told now and then how many bytes of how many are there.
    Copying { image: &'a str, bytes: u64, of: u64 },
    /// A number of the starting guests answer.
    Answering { answering: usize, of: usize },
    /// A guest that was started does not answer yet; told again and again.
    Waiting { guest: &'a Guest, waited: Duration },
    /// cloud-init had errors at a guest's first boot, which is over.
    FirstBoot { guest: &'a Guest, errors: &'a [String] },
    /// The kernel of a guest has panicked.
    Panicked { guest: &'a Guest, panic: &'a Panic },
    /// A guest's kernel panicked or its QEMU ended during the boot, or the guest was reset before it was ready: the fleet
    /// starts it a second time.
    StartedAgain { guest: &'a Guest, why: &'a str },
}

/// Callback for news, on any thread.
pub type OnNews = std::sync::Arc<dyn Fn(GuestNews<'_>) + Send + Sync>;
