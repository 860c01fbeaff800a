//! Where guests were between their moves: a guest's time on a host at which it has arrived is a stay.

use std::collections::HashMap;
use std::time::Instant;

use super::LegEnd;
use crate::migration::LegReport;
use crate::plan::Leg;
use crate::scenario::Scenario;

/// The scenarios in which stays are judged: a guest that boots has no network to recover, and no speed to be compared with.
pub const ONLY: &str = "guests that do not boot while they move";

/// Whether stays are judged in a scenario.
pub fn are_judged(scenario: &Scenario) -> bool {
    !scenario.boots_itself()
}

/// The stays of all guests so far.
#[derive(Default)]
pub struct Stays(HashMap<String, GuestStays>);

#[derive(Default)]
struct GuestStays {
    first: Option<Instant>,
    /// When it stopped on its first host, for its first move.
    first_left: Option<Instant>,
    /// In the order of time.
    stays: Vec<Stay>,
}

/// A guest's time on the host at which it has arrived.
pub struct Stay {
    /// The move that it follows.
    pub leg: Leg,
    pub from: Instant,
    /// When its next migration began; none as long as it does not move again.
    pub until: Option<Instant>,
    /// When it stopped there for that migration, up to which it ran there; none as long as it does not move again.
    pub left: Option<Instant>,
}

impl Stays {
    /// A migration is over.
    pub fn on_leg(&mut self, end: &LegEnd<'_>) {
        let moves = self.0.entry(end.guest.name.clone()).or_default();
        if let Some(began) = end.report.began {
            let left = departure(end.report, end.source).unwrap_or(began);
            moves.first.get_or_insert(began);
            moves.first_left.get_or_insert(left);
            if let Some(last) = moves.stays.last_mut() {
                last.until.get_or_insert(began);
                last.left.get_or_insert(left);
            }
        }
        if end.is_complete() {
            moves.stays.extend(arrival(end.report, end.source).map(|from| Stay {
                leg: end.leg,
                from,
                until: None,
                left: None,
            }));
        }
    }

    pub fn of(&self, guest: &str) -> &[Stay] {
        self.0.get(guest).map(|moves| moves.stays.as_slice()).unwrap_or_default()
    }

    /// When a guest moved for the first time.
    pub fn first_move(&self, guest: &str) -> Option<Instant> {
        self.0.get(guest).and_then(|moves| moves.first)
    }

    /// When a guest left the host where it was first: it stopped there, at the end of a migration or amid one.
    pub fn first_departure(&self, guest: &str) -> Option<Instant> {
        self.0.get(guest).and_then(|moves| moves.first_left)
    }
}

/// When the guest stopped on the host that it left, by libvirt's events.
fn departure(report: &LegReport, source: &str) -> Option<Instant> {
    report.standstills(source).first().map(|(stopped, _)| *stopped)
}

/// When the guest started on the other host: by libvirt's events, or at the latest when the call returned.
fn arrival(report: &LegReport, source: &str) -> Option<Instant> {
    let started = report.standstills(source).last().map(|(stopped, long)| *stopped + *long);
    match (started, report.ended) {
        (Some(started), Some(ended)) => Some(started.min(ended)),
        (started, ended) => started.or(ended),
    }
}
