//! What libvirt's daemons of a host held when they were first looked at after a scenario.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::remote::protocol::{Daemon, ProcessId};
use crate::sys::parallel::locked;

/// Each daemon as it was after the first scenario in which it ran. One that was started anew is another.
#[derive(Debug, Default)]
pub struct Daemons(Mutex<HashMap<ProcessId, Daemon>>);

impl Daemons {
    /// A daemon as it was when this was first asked of it, which is as it is now the first time.
    pub fn first(&self, now: &Daemon) -> Daemon {
        locked(&self.0).entry(now.process).or_insert_with(|| now.clone()).clone()
    }
}
