//! Replaces damaged guests of a fleet.

use std::sync::Arc;

use super::{ANSWER_LIMIT, Fleet, all};
use crate::failure::{Attempt, Failure, FailureKind, Result};
use crate::guest::Guest;
use crate::guest::news::GuestNews;
use crate::libvirt::OurDomain;
use crate::scenario::Side;
use crate::sys::parallel::at_once;

impl Fleet {
    /// Ends the remains of a failed scenario beside the fleet: loads on hosts, and load guests.
    pub fn clear_strays(&self) -> Result<()> {
        let guests = self.by_login("remove a load guest", &self.load_guests, |guest| self.remove(guest));
        guests.into_iter().fold(self.end_loads_on_hosts(), Result::and)
    }

    /// Ends the loads on hosts that an earlier scenario or command left, and removes their files.
    pub(super) fn end_loads_on_hosts(&self) -> Result<()> {
        let ended = at_once("end loads on a host", self.hosts.both(), |host| host.end_loads(ANSWER_LIMIT));
        ended.into_iter().fold(Ok(()), Result::and)
    }

    /// Makes guests anew: destroys them wherever they are, gives them fresh overlays, starts them on the source and waits
    /// for their answers. Refuses before all that if something that multivm did not make is in the way. A guest that was reset before
    /// it was ready is made once more.
    pub fn renew(&self, guests: &[Arc<Guest>]) -> Result<()> {
        self.refuse_foreign(guests)?;
        let Err(failure) = self.make(guests) else { return Ok(()) };
        let again = self.to_be_made_again(guests, &failure)?;
        if again.is_empty() {
            return Err(failure);
        }
        self.make(&again)
            // The others may not have theirs yet.
            .and_then(|()| self.note_definitions(guests))
            .and_then(|()| self.start_witnesses(guests))
            .map_err(|again| again.and(format!("\nbefore, a guest was reset while it was made: {failure}")))
    }

    /// The guests that were reset while all of these were made, and those that were not begun because of them; none where no guest was
    /// reset, or where the run is over.
    fn to_be_made_again(&self, guests: &[Arc<Guest>], failure: &Failure) -> Result<Vec<Arc<Guest>>> {
        let reset: Vec<_> = guests.iter().map(|guest| self.consoles.reset_of(&guest.name)).collect();
        if failure.kind() == FailureKind::Cancelled || reset.iter().all(Option::is_none) {
            return Ok(Vec::new());
        }
        let mut again = Vec::new();
        for (guest, reset) in guests.iter().zip(reset) {
            if let Some(host) = reset {
                let why = format!("it was reset on {host}, or rebooted itself, before it was ready");
                (self.news)(GuestNews::StartedAgain { guest, why: &why });
                again.push(Arc::clone(guest));
            } else if guest.domain_on(&self.hosts.source)?.is_none() {
                again.push(Arc::clone(guest));
            }
        }
        Ok(again)
    }

    fn make(&self, guests: &[Arc<Guest>]) -> Result<()> {
        // A reset in a guest's earlier life has no part in what fails before the guest starts.
        guests.iter().for_each(|guest| self.consoles.forget_reset(&guest.name));
        all(self.by_login("remove a guest", guests, |guest| self.remove(guest)))?;
        self.create_overlays(guests)?;
        self.start_guests(guests)?;
        self.note_definitions(guests)?;
        self.start_witnesses(guests)
    }

    /// Ends the guest wherever it is, and removes its domain.
    pub fn remove(&self, guest: &Guest) -> Result<()> {
        guest.agent.forget();
        guest.forget_look();
        for host in self.hosts.both() {
            if let Some(domain) = guest.domain_on(host)? {
                end(&domain).attempting(|| format!("remove {} from {}", guest.name, host.entry.name))?;
            }
        }
        guest.moved_to(Side::Source);
        Ok(())
    }
}

/// Powers a domain off and removes its definition.
pub(super) fn end(domain: &OurDomain) -> crate::libvirt::Result<()> {
    // A job that a failed scenario left would hold the domain's lock. Without a job the abort does nothing.
    let _ = domain.abort_job();
    if domain.is_active()? {
        ignore_gone(domain.destroy())?;
    }
    ignore_gone(domain.undefine())
}

/// Turns the error of a domain that is gone already into success.
fn ignore_gone(result: crate::libvirt::Result<()>) -> crate::libvirt::Result<()> {
    match result {
        Err(error) if error.is_no_domain() || error.is_operation_invalid() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::failure::Cause;
    use crate::guest::fleet::testing::{OTHER, OWNER, TestFleet};
    use crate::remote::Observation;

    #[test]
    fn a_removed_guest_is_on_neither_host_and_starts_at_home() {
        let fleet = TestFleet::new();
        fleet.put(Side::Source, "vm1", OWNER);
        fleet.put_running(Side::Target, "vm1", OWNER).suspend().unwrap();
        fleet.put_running(Side::Source, "vm2", OWNER);
        let guest = fleet.guest(1);
        guest.moved_to(Side::Target);
        fleet.note_look(guest, &Observation::in_a_test("a", Instant::now()));
        fleet.remove(guest).unwrap();
        assert_eq!((fleet.names(Side::Source), fleet.names(Side::Target)), (vec!["vm2".to_owned()], vec![]));
        assert_eq!((guest.side(), guest.last_look()), (Side::Source, None));
        fleet.remove(guest).unwrap();
    }

    #[test]
    fn a_domain_of_another_owner_is_not_removed_in_place_of_a_guest() {
        let fleet = TestFleet::new();
        fleet.put_running(Side::Source, "vm1", OTHER);
        let refused = fleet.remove(fleet.guest(1)).unwrap_err();
        assert_eq!(refused.kind(), FailureKind::Refused, "{refused}");
        assert_eq!(fleet.hosts.source.control.active().unwrap(), ["vm1"]);
    }

    #[test]
    fn nothing_is_removed_before_it_is_known_what_is_in_the_way() {
        let fleet = TestFleet::new();
        fleet.put_running(Side::Source, "vm1", OWNER);
        let failure = fleet.renew(&fleet.guests).unwrap_err();
        // The storage does not answer.
        assert_eq!(failure.kind(), FailureKind::Unreachable, "{failure}");
        fleet.put_running(Side::Target, "vm2", OTHER);
        fleet.renew(&fleet.guests).unwrap_err();
        assert_eq!(fleet.hosts.source.control.active().unwrap(), ["vm1"]);
        assert_eq!(fleet.hosts.target.control.active().unwrap(), ["vm2"]);
    }

    #[test]
    fn what_was_not_begun_because_of_a_guest_that_was_reset_is_made_with_it() {
        let fleet = TestFleet::new();
        fleet.put_running(Side::Source, "vm1", OWNER);
        fleet.put_running(Side::Source, "vm2", OWNER);
        let again = |kind| {
            let failure = Failure::new("make guests", Cause::new(kind, "vm1 does not answer"));
            let again = fleet.to_be_made_again(&fleet.guests, &failure).unwrap();
            again.iter().map(|guest| guest.name.clone()).collect::<Vec<_>>()
        };
        assert!(again(FailureKind::TimedOut).is_empty(), "no guest was reset");
        fleet.consoles.note_reset("vm1", "source");
        assert_eq!(again(FailureKind::TimedOut), ["vm1", "vm3"]);
        assert!(again(FailureKind::Cancelled).is_empty(), "the run is over");
    }

    #[test]
    fn a_reset_before_a_guest_was_made_is_no_reason_to_make_it_again() {
        let fleet = TestFleet::new();
        fleet.put_running(Side::Source, "vm1", OWNER);
        fleet.consoles.note_reset("vm1", "target");
        // The storage does not answer, so that no guest starts.
        let failure = fleet.make(&fleet.guests).unwrap_err();
        assert_eq!(fleet.names(Side::Source), [""; 0], "the old ones have gone");
        assert!(fleet.to_be_made_again(&fleet.guests, &failure).unwrap().is_empty(), "{failure}");
    }

    #[test]
    fn load_guests_go_although_a_host_cannot_end_its_loads() {
        let fleet = TestFleet::new();
        fleet.put_running(Side::Source, "load1", OWNER);
        fleet.put_running(Side::Source, "vm1", OWNER);
        let failure = fleet.clear_strays().unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unreachable, "{failure}");
        assert_eq!(fleet.names(Side::Source), ["vm1"]);
    }
}
