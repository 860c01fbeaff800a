//! Guests that a scenario restarts right before they migrate, so that they migrate while they boot.

use std::collections::BTreeMap;
use std::time::Instant;

use super::lookout::{CaseEvent, Lookout};
use crate::failure::{Failure, Result};
use crate::guest::Fleet;
use crate::host::Listener;
use crate::libvirt::EventKind;
use crate::plan::Leg;
use crate::sys::parallel::at_once;
use crate::sys::stop::StopFlag;

/// The booting guests of one step, by their numbers in the fleet.
pub struct BootingGuests {
    guests: BTreeMap<usize, BootingGuest>,
    /// Ends the threads of guests whose boot no longer matters.
    stop: StopFlag,
}

/// One booting guest.
pub struct BootingGuest {
    pub leg: Leg,
    pub started: Instant,
    /// When it answered, or why it does not; none while it boots.
    pub up: Option<Result<Instant>>,
    /// libvirt's events about the guest since its start.
    events: Listener,
}

impl BootingGuest {
    /// Counts the resets that libvirt has reported. The count consumes the events, so a second call starts from zero.
    pub fn resets(&self) -> usize {
        self.events.try_iter().filter(|event| event.kind == EventKind::Rebooted).count()
    }
}

impl Drop for BootingGuests {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl BootingGuests {
    /// Powers the guests of a step off and boots them on their present hosts, all at once. Each that answers is a
    /// [`CaseEvent::Up`].
    pub fn start<'env>(
        lookout: &Lookout<'_, 'env>,
        fleet: &'env Fleet,
        legs: &[Leg],
    ) -> Result<BootingGuests> {
        let started = at_once("start a guest anew", legs, |leg| {
            let guest = &fleet.guests[leg.guest];
            let started = guest.restart(&fleet.hosts, &fleet.consoles)?;
            // A reset during the start itself does not matter; a later one is a second boot.
            Ok((started, fleet.hosts.events.listen(Some(&guest.name))))
        });
        let mut booting = BootingGuests { guests: BTreeMap::new(), stop: StopFlag::new() };
        for (leg, started) in legs.iter().zip(started) {
            let (started, events) = started?;
            booting.guests.insert(leg.guest, BootingGuest { leg: *leg, started, up: None, events });
            booting.see_come_up(lookout, fleet, leg.guest);
        }
        Ok(booting)
    }

    fn see_come_up<'env>(&self, lookout: &Lookout<'_, 'env>, fleet: &'env Fleet, number: usize) {
        let up = Err(Failure::new("see a guest come up", "it panicked"));
        let stop = self.stop.clone();
        lookout.beside("see a guest come up", CaseEvent::Up { number, up }, move |sender| {
            let limit = fleet.profile.boot_timeout;
            let guest = &fleet.guests[number];
            let up = guest.await_up(limit, &fleet.consoles, &stop, || guest.runs_nowhere(&fleet.hosts));
            let _ = sender.send(CaseEvent::Up { number, up });
        });
    }

    /// Waits for none of them any longer.
    pub fn give_up(&self) {
        self.stop.set();
    }

    pub fn up(&mut self, number: usize, up: Result<Instant>) {
        if let Some(guest) = self.guests.get_mut(&number) {
            guest.up = Some(up);
        }
    }

    /// A guest whose boot has not ended yet.
    pub fn next_to_come(&self) -> Option<usize> {
        self.guests.iter().find(|(_, guest)| guest.up.is_none()).map(|(number, _)| *number)
    }

    /// Forgets a guest whose boot no longer matters.
    pub fn forget(&mut self, number: usize) {
        self.guests.remove(&number);
    }

    pub fn guests(&self) -> impl Iterator<Item = (usize, &BootingGuest)> {
        self.guests.iter().map(|(number, guest)| (*number, guest))
    }
}
