//! The definitions of a fleet's guests when they were made, and the differences since.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{Fleet, all};
use crate::failure::{Attempt, Result};
use crate::guest::{Definition, Guest};
use crate::host::Hosts;
use crate::sys::parallel::locked;

/// The definition of every guest when it was made.
#[derive(Default)]
pub struct Defined(Mutex<HashMap<String, Definition>>);

impl Fleet {
    /// Notes the definitions of these guests, which run on the source.
    pub(super) fn note_definitions(&self, guests: &[Arc<Guest>]) -> Result<()> {
        all(self.by_login("read a guest's definition", guests, |guest| {
            let domain = guest.known_on(&self.hosts.source)?;
            if let Some(definition) = Definition::read(&domain)? {
                locked(&self.defined.0).insert(guest.name.clone(), definition);
            }
            Ok(())
        }))
    }

    /// Defines adopted guests of an earlier command anew: their next start, and each later migration, uses the persistent
    /// definition.
    pub(super) fn define_again(&self, guests: &[Arc<Guest>]) -> Result<()> {
        all(self.by_login("define a guest", guests, |guest| self.define(guest, &self.hosts.source)))
    }

    /// The first difference between a guest's definition and the one with which it was made; none if they are equal. Each
    /// migration carries the persistent definition along, so that a wrong one would damage the next scenario, too.
    pub(super) fn redefined(&self, guest: &Guest) -> Result<Option<String>> {
        let Some(made) = locked(&self.defined.0).get(&guest.name).cloned() else { return Ok(None) };
        for host in self.hosts.both() {
            let Some(domain) = guest.domain_on(host)? else { continue };
            if domain.autostarts().attempting(|| format!("look at {} on {}", guest.name, host.entry.name))? {
                return Ok(Some(format!("{} starts it at boot", host.entry.name)));
            }
        }
        let Hosts { source, target, .. } = &self.hosts;
        let domain = guest.known_on(source)?;
        let Some(now) = Definition::read(&domain)? else { return Ok(None) };
        let differences = made.differences(&now, source.libvirt != target.libvirt);
        Ok(differences.first().map(|first| format!("{} defines it otherwise: {first}", source.entry.name)))
    }
}
