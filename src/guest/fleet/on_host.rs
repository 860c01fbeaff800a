//! How a host has a guest, in its libvirt's view.

use std::fmt;

use crate::failure::{Attempt, Result};
use crate::guest::Guest;
use crate::host::Host;
use crate::libvirt::OurDomain;

/// A guest on one host. The `Display` is its state there, with the host's name.
pub(super) struct OnHost {
    /// None where the host does not know it.
    pub domain: Option<OurDomain>,
    pub is_running: bool,
    words: String,
}

impl OnHost {
    /// Asks a host.
    ///
    /// # Errors
    ///
    /// Its libvirt does not say, or the domain is not ours.
    pub fn of(guest: &Guest, host: &Host) -> Result<OnHost> {
        let name = &host.entry.name;
        let Some(domain) = guest.domain_on(host)? else {
            return Ok(OnHost { domain: None, is_running: false, words: format!("on {name} it is unknown") });
        };
        let state = domain.state().attempting(|| format!("look at {} on {name}", guest.name))?;
        let words = format!("on {name} it is {state}");
        Ok(OnHost { domain: Some(domain), is_running: state.is_running(), words })
    }
}

impl fmt::Display for OnHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
