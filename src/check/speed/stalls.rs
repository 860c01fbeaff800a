//! How long the storage's server waited for its own disks. A guest's disk that stands still meanwhile has nothing to do with a
//! migration: whatever keeps the disk under the storage busy stops every guest, wherever it is.

use std::sync::Arc;
use std::time::Instant;

use super::totals::{LIMIT, Totals, sample};
use crate::failure::Result;
use crate::host::Storage;
use crate::sys::watch::Watch;

/// Begins to sample the server of the storage. A storage that is only mounted tells nothing of its server: there is no sample.
pub fn watch(storage: &Storage) -> Result<Option<Watch<Totals>>> {
    if storage.entry.server.is_none() {
        return Ok(None);
    }
    let agent = Arc::clone(&storage.agent);
    let ask = move |stalls: &mut Totals| {
        // A server that does not answer, or whose kernel does not count, stalled for no known time.
        if let Ok(stalled) = agent.io_stalled(LIMIT) {
            stalls.add(Instant::now(), stalled);
        }
    };
    sample("stall-watch", ask).map(Some)
}
