//! Guests that are started right before they migrate, and migrate while they boot.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::journal::Journal;
use super::prove::Prover;
use crate::check::{booting, reboot};
use crate::failure::{Attempt, Failure, Result};
use crate::guest::{Fleet, Guest};
use crate::host::Listener;
use crate::libvirt::EventKind;
use crate::migration::LegReport;
use crate::plan::Leg;
use crate::sys::parallel::at_once;
use crate::sys::wait::StopFlag;

/// Guests of one step: when each was started, and a thread each that sees it come up.
pub struct Fresh {
    guests: HashMap<String, Starting>,
    /// Ends the threads of guests whose boot does not matter any more.
    stop: StopFlag,
}

struct Starting {
    started: Instant,
    coming: JoinHandle<Result<Instant>>,
    /// What libvirt tells of the guest from its start on.
    events: Listener,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.stop.set();
    }
}

impl Fresh {
    /// Switches the guests of a step off and on, all at once, where they are.
    pub fn start(fleet: &Fleet, legs: &[(Arc<Guest>, Leg)]) -> Result<Fresh> {
        let started = at_once("start a guest anew", legs, |(guest, _)| {
            let started = guest.restart(&fleet.hosts)?;
            // The start itself resets nothing that matters; whatever resets it from now on is a second boot.
            Ok((started, fleet.hosts.events.listen(Some(&guest.name))))
        });
        let mut fresh = Fresh { guests: HashMap::new(), stop: StopFlag::new() };
        for ((guest, _), started) in legs.iter().zip(started) {
            let (started, events) = started?;
            let (watched, limit, stop) = (Arc::clone(guest), fleet.profile.boot_timeout, fresh.stop.clone());
            let coming = thread::Builder::new()
                .name(format!("see {} come up", guest.name))
                .spawn(move || watched.await_up(limit, &stop))
                .attempting(|| format!("watch {} come up", guest.name))?;
            fresh.guests.insert(guest.name.clone(), Starting { started, coming, events });
        }
        Ok(fresh)
    }

    /// Waits until all that moved are up, proves that they booted while they moved, and makes them known to the prover.
    pub fn arrive(
        mut self,
        fleet: &Fleet,
        reports: &[(Leg, LegReport)],
        prover: &mut Prover<'_>,
        journal: &mut Journal<'_>,
    ) {
        let mut up = Vec::new();
        for (leg, report) in reports.iter().filter(|(_, report)| report.error.is_none()) {
            let guest = &fleet.guests[leg.guest];
            let Some(starting) = self.guests.remove(&guest.name) else { continue };
            let came = starting.coming.join().unwrap_or_else(|_| {
                Err(Failure::new(format!("watch {} come up", guest.name), "it panicked"))
            });
            match came {
                Ok(at) => {
                    let proof = booting::itself(starting.started, at, report);
                    journal.prove(Some(&guest.name), Some(leg), proof);
                    up.push((Arc::clone(guest), *leg, starting.started));
                }
                Err(failure) => {
                    journal.prove(Some(&guest.name), Some(leg), booting::never(&failure.to_string()));
                }
            }
            let resets = starting.events.try_iter().filter(|event| event.kind == EventKind::Rebooted).count();
            journal.prove(Some(&guest.name), Some(leg), reboot::once(resets));
        }
        prover.welcome(&up, journal);
    }
}
