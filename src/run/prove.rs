//! The proofs after every move: looks at the guests, all at once, and compares with the last look.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::journal::Journal;
use crate::check::{Proof, kernel_log, load, placement, reboot};
use crate::failure::Done;
use crate::guest::{Fleet, Guest, Observation};
use crate::load::GuestLoads;
use crate::migration::order::Leg;
use crate::parallel::at_once;
use crate::scenario::AllowedLine;

/// What is remembered of every guest between two moves.
pub struct Prover<'a> {
    fleet: &'a Fleet,
    allowed_lines: &'a [AllowedLine],
    loads: Vec<GuestLoads>,
    last: HashMap<String, Observation>,
    /// Uptime of the last kernel line at the scenario's beginning; lines that were reported move it on.
    known_log_s: HashMap<String, f64>,
}

impl<'a> Prover<'a> {
    /// Takes the first look, before the load.
    pub fn begin(fleet: &'a Fleet, allowed_lines: &'a [AllowedLine]) -> Done<Prover<'a>> {
        let mut prover = Prover {
            fleet,
            allowed_lines,
            loads: Vec::new(),
            last: HashMap::new(),
            known_log_s: HashMap::new(),
        };
        prover.look_at_all()?;
        prover.known_log_s =
            prover.last.iter().map(|(name, seen)| (name.clone(), kernel_log::last_line(seen))).collect();
        Ok(prover)
    }

    /// Watches these loads from now on.
    pub fn attach(&mut self, loads: Vec<GuestLoads>) -> Done<()> {
        self.loads = loads;
        self.look_at_all()
    }

    /// Ends the loads, in all guests at once; one that cannot be ended does not keep the others.
    pub fn stop_loads(&mut self) -> Done<()> {
        let loads = std::mem::take(&mut self.loads);
        at_once("stop a load", loads, GuestLoads::close).into_iter().fold(Ok(()), Done::and)
    }

    fn look_at_all(&mut self) -> Done<()> {
        let guests: Vec<&Guest> = self.fleet.guests.iter().map(AsRef::as_ref).collect();
        for (guest, seen) in guests.iter().zip(self.look(&guests)) {
            self.last.insert(guest.name.clone(), seen?);
        }
        Ok(())
    }

    fn look(&self, guests: &[&Guest]) -> Vec<Done<Observation>> {
        // As long as the network may be silent, so long may an answer take.
        let limit = self.fleet.profile.max_gap + Duration::from_secs(10);
        at_once("look into a guest", guests, |guest| guest.observe(limit))
    }

    /// Proves the guests that just moved, and that every other one is where it was.
    pub fn after_step(&mut self, legs: &[(Arc<Guest>, Leg)], journal: &mut Journal<'_>) {
        for guest in &self.fleet.guests {
            let leg = legs.iter().find(|(moved, _)| moved.name == guest.name).map(|(_, leg)| leg);
            journal.prove(Some(&guest.name), leg, placement::check(guest, &self.fleet.hosts));
        }
        let guests: Vec<&Guest> = legs.iter().map(|(guest, _)| guest.as_ref()).collect();
        for ((guest, leg), seen) in legs.iter().zip(self.look(&guests)) {
            self.compare(guest, Some(leg), seen, journal);
        }
    }

    /// Proves every guest once more, after the load.
    pub fn at_the_end(&mut self, journal: &mut Journal<'_>) {
        let guests: Vec<&Guest> = self.fleet.guests.iter().map(AsRef::as_ref).collect();
        for (guest, seen) in guests.iter().zip(self.look(&guests)) {
            self.compare(guest, None, seen, journal);
        }
    }

    fn compare(
        &mut self,
        guest: &Guest,
        leg: Option<&Leg>,
        seen: Done<Observation>,
        journal: &mut Journal<'_>,
    ) {
        let name = guest.name.as_str();
        let seen = match seen {
            Ok(seen) => seen,
            Err(failure) => {
                let proof = Proof {
                    check: "reachable",
                    ok: false,
                    expected: "the guest answers a command over ssh".into(),
                    seen: failure.to_string(),
                    try_next: Some(
                        "read the guest's console log in the evidence: did its kernel die?".into(),
                    ),
                };
                return journal.prove(Some(name), leg, proof);
            }
        };
        if let Some(before) = self.last.get(name) {
            journal.prove(Some(name), leg, reboot::check(before, &seen));
            // After a reboot the loads are gone for that reason, which has its own finding.
            let here =
                self.loads.iter().filter(|loads| loads.guest() == name && before.boot_id == seen.boot_id);
            for load in here.flat_map(|loads| &loads.loads) {
                journal.prove(Some(name), leg, load::check(load, before, &seen));
            }
            // A guest that booted anew has a log that begins anew: all of it is new.
            let since = if before.boot_id == seen.boot_id {
                self.known_log_s.get(name).copied().unwrap_or_default()
            } else {
                0.0
            };
            journal.prove(Some(name), leg, kernel_log::check(since, &seen, self.allowed_lines));
        }
        self.known_log_s.insert(name.to_owned(), kernel_log::last_line(&seen));
        self.last.insert(name.to_owned(), seen);
    }
}
