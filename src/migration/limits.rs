//! How long a watch waits, and for what.

use std::time::Duration;

/// The times of a watch. Tests give shorter ones to calls that never return.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From one look at the job's statistics to the next; every pass over the memory brings one more.
    pub sample: Duration,
    /// From an order that came too early to its repetition.
    pub repeat: Duration,
    /// How long an answer is awaited before the watch goes on without it. libvirt itself waits 30 s for a domain's job
    /// lock, but what is decided here cannot wait that long.
    pub answer: Duration,
    /// From an abort to the end of the migration. QEMU needs seconds to stop; a migration after its post-copy switch
    /// cannot be aborted and gets as long to end.
    pub abort: Duration,
    /// What a guest that was suspended at a timeout gets at least. It dirties nothing: all of it is sent in this time.
    pub suspended: Duration,
    /// From the return of libvirt's call to its last events, which come over another connection.
    pub events: Duration,
}

impl Limits {
    /// What a migration may take after its timeout: to abort, to end after it was suspended, and for its last events.
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
