//! The resources of a host's libvirt daemons at the first look after a scenario.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::remote::protocol::{LibvirtDaemon, ProcessId};
use crate::sys::parallel::locked;

/// Each daemon at the end of the first scenario in which it ran. A restarted daemon counts as another one.
#[derive(Debug, Default)]
pub struct DaemonBaselines(Mutex<HashMap<ProcessId, LibvirtDaemon>>);

impl DaemonBaselines {
    /// The daemon as it was at the first call for it. The first call notes `now` and returns it.
    pub fn first(&self, now: &LibvirtDaemon) -> LibvirtDaemon {
        locked(&self.0).entry(now.process).or_insert_with(|| now.clone()).clone()
    }
}
