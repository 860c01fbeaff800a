//! Gates: what is open on a host only while it receives guests.

use std::time::Duration;

use super::{Host, Hosts};
use crate::failure::Result;
use crate::scenario::Side;
use crate::sys::parallel::at_once;

/// How long a firewall may take to change a rule: firewalld needs seconds on a slow machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Open gates. Dropping this closes them.
pub struct OpenGates<'a>(Vec<&'a Host>);

impl Hosts {
    /// Opens the gates of the hosts that are about to receive guests.
    ///
    /// # Errors
    ///
    /// A gate does not open; all of them are closed again.
    pub fn open_gates(&self, receiving: impl Fn(Side) -> bool) -> Result<OpenGates<'_>> {
        let gated = |host: &&Host| host.entry.gate.is_some() && receiving(host.side);
        let gates = OpenGates(self.both().into_iter().filter(gated).collect());
        let opened = at_once("open the ports of migrations", &gates.0, |host| {
            let Some(gate) = &host.entry.gate else { return Ok(()) };
            host.remote.check(&gate.open, LIMIT).map(drop)
        });
        opened.into_iter().collect::<Result<()>>()?;
        Ok(gates)
    }
}

impl Drop for OpenGates<'_> {
    fn drop(&mut self) {
        // A gate that does not close now is closed when the host is put back, and found open if it is not.
        at_once("close the ports of migrations", &self.0, |host| {
            let Some(gate) = &host.entry.gate else { return Ok(()) };
            host.remote.check(&gate.close, LIMIT).map(drop)
        });
    }
}
