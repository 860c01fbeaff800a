//! Claims the domains and images of a fleet, and refuses to touch those of others.

use std::sync::Arc;

use super::Fleet;
use super::repair::end;
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::guest::networks::{GivenAddress, given_addresses, given_to_others};
use crate::guest::news::GuestNews;
use crate::guest::survey::{SeenDomain, in_the_way, survey};
use crate::guest::{Guest, addresses, ours};
use crate::host::ImageOverlay;
use crate::sys::parallel::at_once;

impl Fleet {
    /// Refuses if a domain or an image that multivm did not make is in the way of these guests, or a network of libvirt's that
    /// gives an address of theirs to somebody, on either host or in the export. This changes nothing.
    pub fn refuse_foreign(&self, guests: &[Arc<Guest>]) -> Result<()> {
        self.refuse_with(&self.survey()?, guests)
    }

    /// Looks at both hosts and the export, and refuses if something foreign is in the way. Removes the domains that an
    /// earlier, larger fleet of the same owner left.
    pub(super) fn take_hold(&self) -> Result<()> {
        let seen = self.survey()?;
        let all: Vec<Arc<Guest>> = self.guests.iter().chain(&self.load_guests).cloned().collect();
        self.refuse_with(&seen, &all)?;
        let away: Vec<Arc<Guest>> = all.into_iter().filter(|guest| !self.is_on(&seen, guest)).collect();
        self.refuse_answering(&away)?;
        self.remove_left(&seen)
    }

    fn survey(&self) -> Result<Vec<SeenDomain>> {
        let seen = at_once("list the domains of a host", self.hosts.both(), survey);
        Ok(seen.into_iter().collect::<Result<Vec<_>>>()?.concat())
    }

    fn given_addresses(&self) -> Result<Vec<GivenAddress>> {
        let hosts = self.hosts.both();
        let given = at_once("list the addresses of the networks of a host", hosts, given_addresses);
        Ok(given.into_iter().collect::<Result<Vec<_>>>()?.concat())
    }

    fn refuse_with(&self, seen: &[SeenDomain], guests: &[Arc<Guest>]) -> Result<()> {
        let mut found = in_the_way(seen, guests, &self.inventory.owner);
        found.extend(given_to_others(&self.given_addresses()?, guests));
        found.extend(self.storage.foreign(&images(guests), &self.inventory.owner)?);
        refuse(found)
    }

    /// Whether the guest of ours runs on one of the hosts, and so uses its address itself.
    fn is_on(&self, seen: &[SeenDomain], guest: &Guest) -> bool {
        seen.iter()
            .any(|domain| domain.active && domain.name == guest.name && domain.is_of(&self.inventory.owner))
    }

    /// Refuses if something answers at the address of one of these guests, none of which runs.
    fn refuse_answering(&self, guests: &[Arc<Guest>]) -> Result<()> {
        let look = |guest: &Guest| Ok(addresses::is_taken(guest.address));
        let answers = self.by_login("look whether an address is free", guests, look);
        let found = guests.iter().zip(answers).filter(|(_, answers)| matches!(answers, Ok(true)));
        refuse(found.map(|(guest, _)| {
            format!("something answers at {}, the address of {}", guest.address, guest.name)
        }))
    }

    /// Removes the domains of the same owner that are no guests of this fleet, and nothing else.
    fn remove_left(&self, seen: &[SeenDomain]) -> Result<()> {
        for host in self.hosts.both() {
            let left = seen.iter().filter(|domain| {
                domain.host == host.entry.name
                    && domain.is_of(&self.inventory.owner)
                    && self.guest(&domain.name).is_none()
            });
            for left in left {
                let attempted = || format!("remove {} from {}", left.name, host.entry.name);
                let Some(domain) = host.control.domain(&left.name).attempting(attempted)? else { continue };
                end(&ours::ours(&domain, &self.inventory.owner)?).attempting(attempted)?;
            }
        }
        Ok(())
    }

    /// Makes fresh overlays, and seeds, for guests. Refuses to overwrite a file that multivm did not make.
    pub fn create_overlays(&self, guests: &[Arc<Guest>]) -> Result<()> {
        let overlay = |guest: &Arc<Guest>| {
            let image = self.inventory.image(guest.member.image.as_deref())?;
            Ok(ImageOverlay {
                image: guest.image.clone(),
                base: image.file,
                format: image.format,
                kind: image.disk,
            })
        };
        let overlays = guests.iter().map(overlay).collect::<Result<Vec<_>>>()?;
        let told = |image: &str, bytes, of| (self.news)(GuestNews::Copying { image, bytes, of });
        self.storage.create_overlays(&overlays, &self.inventory.owner, &self.stop, told)?;
        self.create_seeds(guests)
    }
}

fn refuse(found: impl IntoIterator<Item = String>) -> Result<()> {
    let found: Vec<String> = found.into_iter().collect();
    if found.is_empty() {
        return Ok(());
    }
    let cause = Cause::new(FailureKind::Refused, found.join("\n"));
    Err(Failure::new("make the guests", cause).try_next(ours::LEFT_ALONE))
}

fn images(guests: &[Arc<Guest>]) -> Vec<String> {
    guests.iter().map(|guest| guest.image.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::fleet::testing::{OTHER, OWNER, TestFleet};
    use crate::libvirt::testing::domain_xml;
    use crate::scenario::Side;

    #[test]
    fn what_a_larger_fleet_left_is_removed_and_nothing_else() {
        let fleet = TestFleet::new();
        fleet.put_running(Side::Source, "vm9", OWNER);
        fleet.put_running(Side::Source, "load1", OWNER);
        fleet.put(Side::Target, "vm8", OWNER);
        fleet.put_running(Side::Source, "vm1", OWNER);
        fleet.put(Side::Target, "vm1", OWNER);
        fleet.put_running(Side::Source, "vm7", OTHER);
        fleet.hosts.target.control.define(&domain_xml("vm6")).unwrap();
        fleet.remove_left(&fleet.survey().unwrap()).unwrap();
        assert_eq!(fleet.names(Side::Source), ["vm1", "vm7"]);
        assert_eq!(fleet.names(Side::Target), ["vm1", "vm6"]);
        assert_eq!(fleet.hosts.source.control.active().unwrap().len(), 2);
    }

    /// Between the list and the removal, a domain goes by itself or changes hands.
    #[test]
    fn what_is_removed_is_ours_at_that_moment() {
        let fleet = TestFleet::new();
        let [gone, taken] = ["vm8", "vm9"].map(|name| fleet.put(Side::Source, name, OWNER));
        let seen = fleet.survey().unwrap();
        gone.undefine().unwrap();
        taken.undefine().unwrap();
        fleet.put_running(Side::Source, "vm9", OTHER);
        let refused = fleet.remove_left(&seen).unwrap_err();
        assert_eq!(refused.kind(), FailureKind::Refused, "{refused}");
        assert_eq!(fleet.hosts.source.control.active().unwrap(), ["vm9"]);
    }

    #[test]
    fn only_an_active_guest_of_ours_uses_its_address_itself() {
        let fleet = TestFleet::new();
        fleet.put_running(Side::Target, "vm1", OWNER);
        fleet.put(Side::Source, "vm2", OWNER);
        fleet.put_running(Side::Source, "vm3", OTHER);
        let seen = fleet.survey().unwrap();
        let on = [1, 2, 3].map(|number| fleet.is_on(&seen, fleet.guest(number)));
        assert_eq!(on, [true, false, false]);
    }

    #[test]
    fn an_address_at_which_something_answers_is_refused() {
        // This machine itself, which accepts the connection or refuses it.
        let fleet = TestFleet::new();
        let guest = fleet.guest(2);
        let refused = fleet.refuse_answering(&[Arc::clone(guest)]).unwrap_err();
        assert_eq!(refused.kind(), FailureKind::Refused, "{refused}");
        let words = format!("something answers at {}, the address of vm2", guest.address);
        assert!(refused.to_string().contains(&words), "{refused}");
        assert!(fleet.refuse_answering(&[]).is_ok());
    }
}
