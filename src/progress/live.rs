//! The present state of a run, made of the events of its record one by one. Pure.
//!
//! The status below libtest's lines and `multivm watch` are two views of it; `lines` turns it into text.

#[cfg(test)]
mod tests;

use crate::record::{Envelope, Event, Finding, Fold, LostLines, RecordedLeg};
use crate::scenario::Side;
use crate::sys::words::first_line;

/// A run, as far as its events show it.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// The run. Of each play, the proofs that did not hold, each in a line.
    pub run: Fold<Vec<String>>,
    /// The fixture that was ready last.
    pub fixture: Option<String>,
    /// How many guests answer of how many that are being started.
    pub starting: Option<(u32, u32)>,
    /// The fleet, in the order of its numbers: who migrated or was proved so far.
    pub guests: Vec<LiveGuest>,
    /// Lines of the record that could not be written, as far as the process knows that writes it.
    pub unwritten: u32,
}

/// One guest of the fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveGuest {
    pub name: String,
    /// The host on which the guest runs, as far as its migrations tell.
    pub at: Side,
    /// The guest's last migration in this scenario.
    pub leg: Option<RecordedLeg>,
    /// The guest's migrations before that one, whose downtimes are known only at the scenario's end.
    pub earlier: Vec<RecordedLeg>,
}

impl Live {
    /// Takes in the next event of the record.
    pub fn apply(&mut self, envelope: &Envelope, event: &Event) {
        let t_ms = envelope.t_ms as f64;
        let broken = self.run.take(envelope, event);
        match event {
            Event::FixtureReady { name, .. } => (self.fixture, self.starting) = (Some(name.clone()), None),
            Event::GuestsAnswer { answering, of } => self.starting = Some((*answering, *of)),
            // A scenario begins on a fleet that is whole: all guests are on the source.
            Event::ScenarioStarted { .. } | Event::ScenarioFinished(_) => {
                self.guests.iter_mut().for_each(LiveGuest::rest);
                self.starting = None;
            }
            Event::LegStarted { guest, .. } => {
                let guest = self.guest(guest);
                let before = std::mem::replace(&mut guest.leg, RecordedLeg::begin(t_ms, event));
                guest.earlier.extend(before);
            }
            Event::CheckFailed(Finding { guest, check, seen, .. }) => {
                if let Some(broken) = broken {
                    let of = guest.as_ref().map(|guest| format!(" of {guest}")).unwrap_or_default();
                    broken.push(format!("{check}{of}: {}", first_line(seen)));
                }
                if let Some(guest) = guest {
                    self.guest(guest);
                }
            }
            Event::ChecksHeld { guest: Some(guest), .. } => {
                self.guest(guest);
            }
            _ => self.guests.iter_mut().for_each(|guest| guest.take(t_ms, event)),
        }
    }

    /// Lines that the record lacks.
    pub fn lost_lines(&self) -> u32 {
        self.run.lost.as_ref().map_or(0, LostLines::count).max(self.unwritten)
    }

    /// Whether something came out otherwise than it should, did not come out at all, or is missing in the record.
    pub fn has_failures(&self) -> bool {
        !self.run.results().all(|outcome| outcome.verdict.is_good())
            || self.run.end.is_some_and(|end| end.failed + end.errors > 0)
            || self.lost_lines() > 0
    }

    /// The guest of that name, noted if it was not known.
    fn guest(&mut self, name: &str) -> &mut LiveGuest {
        // vm2 before vm10.
        let key = |name: &str| (name.len(), name.to_owned());
        let at = match self.guests.binary_search_by_key(&key(name), |guest| key(&guest.name)) {
            Ok(at) => at,
            Err(at) => {
                let name = name.to_owned();
                self.guests.insert(at, LiveGuest { name, at: Side::Source, leg: None, earlier: Vec::new() });
                at
            }
        };
        &mut self.guests[at]
    }
}

impl LiveGuest {
    fn rest(&mut self) {
        self.at = Side::Source;
        self.leg = None;
        self.earlier.clear();
    }

    /// Takes in an event of its migration.
    fn take(&mut self, t_ms: f64, event: &Event) {
        let Some(leg) = &mut self.leg else { return };
        if !leg.take(t_ms, event) {
            self.earlier.iter_mut().rev().any(|leg| leg.take(t_ms, event));
        } else if leg.succeeded() {
            self.at = leg.direction.to();
        }
    }

    /// The guest's migration that an event names.
    pub fn named_by(&self, event: &Event) -> Option<&RecordedLeg> {
        self.leg.iter().chain(&self.earlier).find(|leg| leg.is_named_by(event))
    }

    /// The guest's migration, if one is under way.
    pub fn moving(&self) -> Option<&RecordedLeg> {
        self.leg.as_ref().filter(|leg| leg.end.is_none())
    }
}
