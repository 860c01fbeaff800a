//! The definitions of a fleet's guests when they were made, and the differences since.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Fleet, all};
use crate::failure::{Attempt, Result};
use crate::guest::{Definition, Difference, Guest};
use crate::host::Hosts;
use crate::sys::parallel::locked;

impl Fleet {
    /// Notes the definitions of these guests, which run on the source.
    pub(super) fn note_definitions(&self, guests: &[Arc<Guest>]) -> Result<()> {
        all(self.by_login("read a guest's definition", guests, |guest| {
            let domain = guest.known_on(&self.hosts.source)?;
            if let Some(definition) = Definition::read(&domain)? {
                self.note_made(guest, definition);
            }
            Ok(())
        }))
    }

    /// The definition with which a guest was made, as far as it is noted.
    pub(super) fn made(&self, guest: &Guest) -> Option<Definition> {
        locked(&self.defined.0).get(&guest.name).cloned()
    }

    /// Notes the definition with which a guest was made.
    pub(super) fn note_made(&self, guest: &Guest, made: Definition) {
        locked(&self.defined.0).insert(guest.name.clone(), made);
    }

    /// The definitions with which the guests were made, by their names.
    pub fn definitions(&self) -> HashMap<String, Definition> {
        locked(&self.defined.0).clone()
    }

    /// Notes how guests were made that another fleet may have left.
    pub fn note_earlier(&self, made: HashMap<String, Definition>) {
        locked(&self.defined.0).extend(made);
    }

    /// Defines adopted guests of an earlier command anew: their next start, and each later migration, uses the persistent
    /// definition.
    pub(super) fn define_again(&self, guests: &[Arc<Guest>]) -> Result<()> {
        all(self.by_login("define a guest", guests, |guest| self.define(guest, &self.hosts.source)))
    }

    /// The first difference between a guest's definition and the one with which it was made; none if they are equal. Each
    /// migration carries the persistent definition along, so that a wrong one would damage the next scenario, too.
    pub(super) fn redefined(&self, guest: &Guest) -> Result<Option<String>> {
        let Some(made) = self.made(guest) else { return Ok(None) };
        for host in self.hosts.both() {
            let Some(domain) = guest.domain_on(host)? else { continue };
            if domain.autostarts().attempting(|| format!("look at {} on {}", guest.name, host.entry.name))? {
                return Ok(Some(format!("{} starts it at boot", host.entry.name)));
            }
        }
        let source = &self.hosts.source;
        let domain = guest.known_on(source)?;
        let Some(now) = Definition::read(&domain)? else { return Ok(None) };
        let differences = made.differences(&now, self.hosts_differ());
        Ok(differences.first().map(|first| format!("{} defines it otherwise: {first}", source.entry.name)))
    }

    /// The differences between the definition with which a guest was made and a later one, without autostart; none of a guest of
    /// which nothing was noted.
    pub fn differences_from_made(&self, guest: &Guest, later: &Definition) -> Vec<Difference> {
        self.made(guest).map(|made| made.differences(later, self.hosts_differ())).unwrap_or_default()
    }

    /// Whether the hosts have different versions of libvirt.
    fn hosts_differ(&self) -> bool {
        let Hosts { source, target, .. } = &self.hosts;
        source.libvirt != target.libvirt
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use crate::guest::fleet::testing::{OWNER, TestFleet};
    use crate::scenario::Side;

    #[test]
    fn a_guest_that_somebody_defines_otherwise_is_found() {
        let fleet = TestFleet::new();
        let guest = fleet.guest(1);
        let domain = fleet.put_running(Side::Source, "vm1", OWNER);
        assert_eq!(fleet.redefined(guest).unwrap(), None, "nothing is known of how it was made");
        fleet.note_definitions(from_ref(guest)).unwrap();
        assert_eq!(fleet.redefined(guest).unwrap(), None);
        let xml = domain.inactive_xml().unwrap().replace(">8192<", ">4096<");
        fleet.hosts.source.control.define(&xml).unwrap();
        let why = fleet.redefined(guest).unwrap().unwrap();
        assert!(why.starts_with("source defines it otherwise: persistent XML"), "{why}");
    }

    #[test]
    fn a_guest_that_is_gone_is_no_guest_as_it_was_made() {
        let fleet = TestFleet::new();
        let guest = fleet.guest(1);
        assert!(fleet.note_definitions(from_ref(guest)).is_err());
        let domain = fleet.put_running(Side::Source, "vm1", OWNER);
        fleet.note_definitions(from_ref(guest)).unwrap();
        domain.destroy().unwrap();
        domain.undefine().unwrap();
        let failure = fleet.redefined(guest).unwrap_err().to_string();
        assert!(failure.contains("cannot find vm1 on source: no such domain"), "{failure}");
    }

    #[test]
    fn an_adopted_guest_gets_the_definition_that_it_would_be_made_with() {
        let fleet = TestFleet::new();
        let guest = fleet.guest(1);
        let domain = fleet.define(guest, &fleet.hosts.source).unwrap();
        domain.start().unwrap();
        fleet.note_definitions(from_ref(guest)).unwrap();
        let other = domain.inactive_xml().unwrap().replace("<on_reboot>restart<", "<on_reboot>destroy<");
        fleet.hosts.source.control.define(&other).unwrap();
        assert!(fleet.redefined(guest).unwrap().is_some());
        fleet.define_again(from_ref(guest)).unwrap();
        assert_eq!(fleet.redefined(guest).unwrap(), None);
    }
}
