//! Guests that are started right before they migrate, and migrate while they boot.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::journal::Journal;
use super::prove::Prover;
use crate::check::booting;
use crate::failure::{Attempt, Done, Failure};
use crate::guest::{Fleet, Guest};
use crate::migration::LegReport;
use crate::migration::order::Leg;
use crate::parallel::at_once;

/// Guests of one step: when each was started, and a thread each that sees it come up.
pub struct Fresh {
    started: HashMap<String, Instant>,
    coming: HashMap<String, JoinHandle<Done<Instant>>>,
}

impl Fresh {
    /// Switches the guests of a step off and on, all at once, where they are.
    pub fn start(fleet: &Fleet, legs: &[(Arc<Guest>, Leg)]) -> Done<Fresh> {
        let started = at_once("start a guest anew", legs, |(guest, _)| guest.restart(&fleet.hosts));
        let mut fresh = Fresh { started: HashMap::new(), coming: HashMap::new() };
        for ((guest, _), started) in legs.iter().zip(started) {
            fresh.started.insert(guest.name.clone(), started?);
            let (watched, limit, cancel) =
                (Arc::clone(guest), fleet.profile.boot_timeout, fleet.cancel().clone());
            let thread = thread::Builder::new()
                .name(format!("see {} come up", guest.name))
                .spawn(move || watched.await_up(limit, &cancel))
                .attempting(|| format!("watch {} come up", guest.name))?;
            fresh.coming.insert(guest.name.clone(), thread);
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
            let (Some(started), Some(coming)) =
                (self.started.get(&guest.name), self.coming.remove(&guest.name))
            else {
                continue;
            };
            let came = coming.join().unwrap_or_else(|_| {
                Err(Failure::new(format!("watch {} come up", guest.name), "it panicked"))
            });
            match came {
                Ok(at) => {
                    journal.prove(Some(&guest.name), Some(leg), booting::itself(*started, at, report));
                    up.push((Arc::clone(guest), *leg, *started));
                }
                Err(failure) => {
                    journal.prove(Some(&guest.name), Some(leg), booting::never(&failure.to_string()));
                }
            }
        }
        prover.welcome(&up, journal);
    }
}
