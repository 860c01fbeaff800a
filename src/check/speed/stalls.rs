//! How long the storage's server waited for its own disks. A guest's disk that stands still meanwhile has nothing to do with a
//! migration: whatever keeps the disk under the storage busy stops every guest, wherever it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::totals::Totals;
use crate::failure::Result;
use crate::host::Storage;
use crate::remote::Agent;
use crate::sys::stop::StopFlag;
use crate::sys::watch::Watch;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the server may take to answer; later there is no sample.
const LIMIT: Duration = Duration::from_secs(5);

/// Begins to sample the server of the storage. A storage that is only mounted tells nothing of its server: there is no sample.
pub fn watch(storage: &Storage) -> Result<Option<Watch<Totals>>> {
    if storage.entry.server.is_none() {
        return Ok(None);
    }
    let agent = Arc::clone(&storage.agent);
    Watch::start("stall-watch", move |stop| sample_until(&agent, stop)).map(Some)
}

fn sample_until(agent: &Agent, stop: &StopFlag) -> Totals {
    let mut stalls = Totals::default();
    while !stop.is_set() {
        // A server that does not answer, or whose kernel does not count, stalled for no known time.
        if let Ok(stalled) = agent.io_stalled(LIMIT) {
            stalls.add(Instant::now(), stalled);
        }
        stop.pause(INTERVAL);
    }
    stalls
}
