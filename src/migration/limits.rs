//! How long a watch waits, and for what.

use std::time::Duration;

/// The waiting times of a watch. Tests use shorter ones for calls that never return.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The time between two looks at the job's statistics. Every pass over the memory adds one more look.
    pub sample: Duration,
    /// The pause before the watch repeats an order that came too early.
    pub repeat: Duration,
    /// How long the watch waits for an answer before it goes on without it. libvirt itself waits 30 s for a domain's job
    /// lock, which is too long for a decision here.
    pub answer: Duration,
    /// How long an aborted migration may take to end. QEMU needs seconds to stop; a migration that has switched to post-copy
    /// cannot be aborted, and gets this time to complete.
    pub abort: Duration,
    /// The least time for a guest that was suspended at its timeout. It dirties no more memory, so all of it can be sent.
    pub suspended: Duration,
    /// How long the last events may arrive after libvirt's call has returned: they come over another connection.
    pub events: Duration,
}

impl Limits {
    /// The longest that a migration may go on after its timeout: an abort, the end after a suspension, and the last events.
    pub fn after_timeout(&self) -> Duration {
        self.abort + self.suspended + self.events
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sample: Duration::from_millis(250),
            repeat: Duration::from_millis(10),
            answer: Duration::from_secs(10),
            abort: Duration::from_secs(30),
            suspended: Duration::from_secs(60),
            events: Duration::from_secs(10),
        }
    }
}
