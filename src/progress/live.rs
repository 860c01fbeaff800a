//! What a run is doing at this moment: pure state, made of the events of its record one after the other.
//!
//! The status below libtest's lines and `multivm watch` are two views of it; `view` turns it into text.

mod leg;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::record::{Event, RunHeader};
use crate::record::{Outcome, Verdict};
use crate::scenario::Direction;
use crate::scenario::Side;

pub use leg::{LegEnd, LiveLeg};

/// A run, as far as its events tell. Times are milliseconds on the clock of `t_ms`.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// What the run is.
    pub header: RunHeader,
    /// Facts about the stack, from the fixtures that are ready.
    pub stack: BTreeMap<String, String>,
    /// The fixture that was ready last.
    pub fixture: Option<String>,
    /// The fleet, in the order of its numbers: who migrated or was proved so far.
    pub guests: Vec<LiveGuest>,
    /// What is being played.
    pub playing: Option<Playing>,
    /// What has been played, in this order.
    pub played: Vec<Played>,
    /// How the run ended.
    pub ended: Option<Ended>,
    /// Lines of the record that could not be written, as far as the process knows that writes it.
    pub lost_lines: u32,
    /// When the last event was written.
    pub t_ms: f64,
}

/// One guest of the fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveGuest {
    pub name: String,
    /// Where it runs, as far as its migrations tell.
    pub at: Side,
    /// Its last migration in this scenario.
    pub leg: Option<LiveLeg>,
}

/// The scenario that is being played.
#[derive(Clone, Debug, PartialEq)]
pub struct Playing {
    pub scenario: String,
    /// When it began.
    pub since_ms: f64,
    /// Proofs that held.
    pub held: u32,
    /// Proofs that did not hold, each in a line.
    pub broken: Vec<String>,
}

/// A scenario that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    pub scenario: String,
    pub verdict: Verdict,
    pub seconds: f64,
    /// Why it did not pass, in a line; absent for a pass.
    pub why: Option<String>,
}

/// What the run itself said at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended {
    pub passed: u32,
    pub failed: u32,
    pub ignored: u32,
    pub errors: u32,
    pub duration_s: f64,
}

impl Live {
    /// Takes in the next event of the record.
    pub fn apply(&mut self, t_ms: f64, event: &Event) {
        self.t_ms = self.t_ms.max(t_ms);
        match event {
            Event::RunStarted(header) => self.header = header.clone(),
            Event::FixtureReady { name, facts, .. } => {
                self.fixture = Some(name.clone());
                self.stack.extend(facts.clone());
            }
            Event::ScenarioStarted { scenario } => self.begin(scenario, t_ms),
            Event::LegStarted { guest, round, direction, step, .. } => {
                self.guest(guest).leg = Some(LiveLeg::begin(*round, *direction, *step, t_ms));
            }
            Event::LibvirtEvent { guest: Some(guest), what, .. } => {
                if let Some(leg) = self.moving(guest) {
                    leg.happened(t_ms, what);
                }
            }
            Event::JobSample { guest, stats, .. } => {
                if let Some(leg) = self.moving(guest) {
                    leg.sampled(stats);
                }
            }
            Event::LegFinished { guest, direction, ok, error, duration_s, stats, .. } => {
                let guest = self.guest(guest);
                if *ok {
                    guest.at = arrival(*direction);
                }
                if let Some(leg) = &mut guest.leg {
                    leg.finish(*ok, error.clone(), *duration_s, stats);
                }
            }
            Event::Downtime { guest, step, clocks, .. } => {
                if let Some(leg) = self.guest(guest).leg.as_mut().filter(|leg| leg.step == *step) {
                    leg.reported(clocks.reported_ms);
                }
            }
            Event::Check { guest, check, ok, seen, .. } => {
                if let Some(guest) = guest {
                    self.guest(guest);
                }
                if let Some(playing) = &mut self.playing {
                    if *ok {
                        playing.held += 1;
                    } else {
                        let of = guest.as_ref().map(|guest| format!(" of {guest}")).unwrap_or_default();
                        playing.broken.push(format!("{check}{of}: {}", first_line(seen)));
                    }
                }
            }
            Event::ScenarioFinished(outcome) => {
                self.playing = None;
                self.guests.iter_mut().for_each(LiveGuest::rest);
                self.played.push(Played::new(outcome));
            }
            Event::RunFinished { passed, failed, ignored, errors, duration_s } => {
                self.ended = Some(Ended {
                    passed: *passed,
                    failed: *failed,
                    ignored: *ignored,
                    errors: *errors,
                    duration_s: *duration_s,
                });
            }
            Event::LibvirtEvent { guest: None, .. }
            | Event::LoadStarted { .. }
            | Event::GuestSpeed { .. }
            | Event::HostCpu { .. }
            | Event::ProbeSummary { .. }
            | Event::Repair { .. }
            | Event::PartStarted(_)
            | Event::Unknown => {}
        }
    }

    /// How many scenarios were selected, where the run says so.
    pub fn selected(&self) -> Option<u32> {
        self.header.scenarios
    }

    /// How many scenarios ended like this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.played.iter().filter(|played| played.verdict == verdict).count()
    }

    /// Whether something came out otherwise than it should, or did not come out at all.
    pub fn has_failures(&self) -> bool {
        use Verdict::{Error, Failed, Interrupted, NotRun};
        self.played.iter().any(|played| matches!(played.verdict, Failed | Error | Interrupted | NotRun))
            || self.ended.is_some_and(|ended| ended.failed + ended.errors > 0)
    }

    /// A scenario begins on a fleet that is whole: everybody is on the source. One that is played again begins anew.
    fn begin(&mut self, scenario: &str, t_ms: f64) {
        self.guests.iter_mut().for_each(LiveGuest::rest);
        self.playing =
            Some(Playing { scenario: scenario.to_owned(), since_ms: t_ms, held: 0, broken: Vec::new() });
    }

    /// The guest of that name, noted if it was not known.
    fn guest(&mut self, name: &str) -> &mut LiveGuest {
        // vm2 before vm10.
        let key = |name: &str| (name.len(), name.to_owned());
        let at = match self.guests.binary_search_by_key(&key(name), |guest| key(&guest.name)) {
            Ok(at) => at,
            Err(at) => {
                self.guests.insert(at, LiveGuest { name: name.to_owned(), at: Side::Source, leg: None });
                at
            }
        };
        &mut self.guests[at]
    }

    /// The migration of a guest that is under way. What comes later is about one that is over.
    fn moving(&mut self, name: &str) -> Option<&mut LiveLeg> {
        let guest = self.guests.iter_mut().find(|guest| guest.name == name)?;
        guest.leg.as_mut().filter(|leg| leg.end.is_none())
    }
}

impl LiveGuest {
    fn rest(&mut self) {
        self.at = Side::Source;
        self.leg = None;
    }

    /// Its migration, if one is under way.
    pub fn moving(&self) -> Option<&LiveLeg> {
        self.leg.as_ref().filter(|leg| leg.end.is_none())
    }
}

impl Played {
    fn new(outcome: &Outcome) -> Played {
        Played {
            scenario: outcome.scenario.clone(),
            verdict: outcome.verdict,
            seconds: outcome.duration.as_secs_f64(),
            why: (outcome.verdict != Verdict::Passed).then(|| outcome.headline()),
        }
    }
}

/// Where a guest is that went this way.
fn arrival(direction: Direction) -> Side {
    match direction {
        Direction::Out => Side::Target,
        Direction::Back => Side::Source,
    }
}

pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
