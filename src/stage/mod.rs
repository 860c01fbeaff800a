//! The stage of a run, on which its scenarios are played one at a time: the fleet, what it stands on, and the record.

mod due;
mod fixture;
mod news;
mod player;
mod set_up;
mod slot;
mod streak;
mod tried;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::failure::{Failure, Result};
use crate::migration::{GRACE, Pace};
use crate::plan::Seed;
use crate::play::{Context, Played};
use crate::progress::LiveStatus;
use crate::record::{Numbers, Outcome, Record, RepairedPart, Verdict};
use crate::run::{Plan, Run};
use crate::scenario::{Profile, Scenario, ScenarioFile};
use crate::sys::bounded::{self, Ending, Left, attend};
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;
use due::Due;
use fixture::Fixture;
use player::Player;
use slot::Slot;

/// How long an interrupted scenario may go on, to abort its migrations and to write down its findings.
const AFTER_STOP: Duration = Duration::from_secs(15);

/// How long the last look may take, after all scenarios: on emulated hosts a guest that is gone is asked for 80 s by ssh, and for 30 s by
/// echoes; one that answers these is asked once more.
const LAST_LOOK: Duration = Duration::from_secs(240);

/// What the last look is called after if no scenario has a result in the record, as in the self-test.
const NO_SCENARIO: &str = "no_scenario";

/// Plays scenarios one at a time, for a whole run.
pub struct Stage<P: Player = Fixture> {
    slot: Slot<P>,
    /// The profile of scenarios without a size of their own.
    pub profile: Profile,
    run: Arc<Run>,
    file: ScenarioFile,
    seed: Seed,
    stop: StopFlag,
    /// Modes and orders with a measured floor; none in a run that measures no floors.
    floors: Option<Mutex<HashSet<String>>>,
    /// The progress display; none without a terminal.
    status: Option<LiveStatus>,
}

impl<P> Stage<P>
where
    P: Player + Send + Sync + 'static,
    P::Fixture: Send + Sync + 'static,
{
    /// A stage for the scenarios of a plan. `floors` also measures the floor of each mode and order.
    pub fn new(
        slot: Slot<P>,
        plan: Plan,
        run: Arc<Run>,
        stop: StopFlag,
        floors: bool,
        status: Option<LiveStatus>,
    ) -> Stage<P> {
        let floors = floors.then(Mutex::default);
        Stage { slot, profile: plan.profile, run, file: plan.file, seed: plan.seed, stop, floors, status }
    }

    /// Takes a last look at the fleet, and lets go of it, whose connections then close. Returns the outcome of what befell
    /// it since the last scenario, which no other one reports.
    pub fn release(self: &Arc<Self>) -> Option<Outcome> {
        let found = self.last_look();
        self.slot.release();
        found.map(|outcome| self.run.finished(outcome))
    }

    /// Looks at the fleet once more. Returns the outcome of what befell it since the last scenario; none if nothing did.
    pub fn last_look(self: &Arc<Self>) -> Option<Outcome> {
        if self.stop.is_set() {
            return None;
        }
        let (fixture, proved) = self.slot.held()?;
        let last = self.run.last();
        let name = last.as_ref().map_or_else(|| NO_SCENARIO.to_owned(), |last| last.scenario.clone());
        let begin = SystemTime::now();
        let (stage, of) = (Arc::clone(self), name.clone());
        let look = move || stage.slot.builder().last_look(&of, &fixture, proved, &stage.file);
        let found = bounded::answer(LAST_LOOK, &self.stop, look).unwrap_or_else(|| {
            let mut unknown = Outcome::new(name, Verdict::Error, begin);
            unknown.reason = Some(format!(
                "the last look at the hosts, after all scenarios, did not end within {} s",
                LAST_LOOK.as_secs()
            ));
            (proved && !self.stop.is_set()).then_some(unknown)
        })?;
        let Some(last) = last else { return Some(found) };
        let (seed, guests, rounds, ignored) = (last.seed, last.guests, last.rounds, last.ignored);
        Some(Outcome { seed, guests, rounds, ignored, ..found })
    }

    /// Plays one scenario. The outcome is in the record.
    pub fn play(self: &Arc<Self>, scenario: Scenario) -> Outcome {
        let name = scenario.name();
        if self.stop.is_set() {
            let mut outcome = Outcome::new(&name, Verdict::NotRun, SystemTime::now());
            outcome.reason = Some("the run was interrupted before it began".into());
            return self.run.finished(outcome);
        }
        let shown = self.status.as_ref().map(LiveStatus::show);
        // The thread has the scenario's name, which a panic's message then shows.
        let stage = Arc::clone(self);
        let started = SystemTime::now();
        let outcome = self.attended(&name, started, move |due| stage.outcome(&scenario, started, due));
        let seeded = scenario.order.row().seeded;
        let outcome = Outcome {
            seed: seeded.then_some(self.seed.0),
            guests: (seeded && self.profile.listed.is_empty()).then_some(self.profile.guests),
            rounds: seeded.then_some(self.profile.rounds),
            ignored: self.file.ignored_because(&scenario).is_some(),
            ..outcome
        };
        let outcome = self.run.finished(outcome);
        // Whoever asked writes the result next.
        drop(shown);
        outcome
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    pub fn record(&self) -> &Record {
        &self.run.record
    }

    /// The outcome of the last scenario that has one.
    pub fn last(&self) -> Option<Outcome> {
        self.run.last()
    }

    /// The whole fixture of a profile, and the time spent on making it whole.
    pub fn fleet(&self, profile: &Profile) -> Result<(Arc<P::Fixture>, Duration)> {
        let begin = Instant::now();
        Ok((self.slot.whole(profile)?, begin.elapsed()))
    }

    /// Notes that the last scenario has proved the fixture whole.
    pub fn proved(&self) {
        self.slot.proved();
    }

    /// Makes the fixture whole and plays one scenario on it.
    fn outcome(&self, scenario: &Scenario, started: SystemTime, due: &Due) -> Outcome {
        let profile = self.file.profile_of(scenario, &self.profile);
        let begin = Instant::now();
        match self.whole(&profile, due) {
            Ok(fleet) => {
                let took = begin.elapsed();
                let Played { mut outcome, again } =
                    self.played_on(&fleet, scenario, started, Pace::default(), due);
                if let Some(again) = again.filter(|_| !due.is_abandoned()) {
                    let what = format!("play {scenario} again");
                    self.run.repaired(RepairedPart::Scenario, what, again.why);
                    let Ok(fleet) = self.whole(&profile, due) else { return outcome };
                    outcome = self.played_on(&fleet, scenario, started, again.pace, due).outcome;
                    outcome.numbers.played = Some(2);
                }
                if outcome.verdict == Verdict::Passed && !due.is_abandoned() {
                    self.slot.proved();
                    if self.wants_floor(scenario) {
                        self.measure_floor(scenario, &fleet, &mut outcome, due);
                    }
                } else if outcome.verdict == Verdict::Ignored && !due.is_abandoned() {
                    self.slot.unproved();
                }
                outcome.numbers.repairing_s = Numbers::seconds(took);
                outcome
            }
            Err(failure) => self.no_outcome(scenario, started, failure),
        }
    }

    /// The fleet, with a limit for everything that has to be raised or repaired.
    fn whole(&self, profile: &Profile, due: &Due) -> Result<Arc<P::Fixture>> {
        let limit = self.slot.builder().ready_limit(profile);
        due.within("the repair of what it stands on", limit, || self.slot.whole(profile))
    }

    /// Whether this run measures floors and this is the first scenario of its mode and order.
    fn wants_floor(&self, scenario: &Scenario) -> bool {
        let Some(measured) = &self.floors else { return false };
        locked(measured).insert(scenario.group())
    }

    fn measure_floor(&self, scenario: &Scenario, fleet: &P::Fixture, outcome: &mut Outcome, due: &Due) {
        let player = self.slot.builder();
        let measured =
            due.within("the measurement of its floor", player.limit(scenario, fleet, self.seed), || {
                player.floor(scenario, fleet, self.seed)
            });
        match measured {
            Ok(Some(took)) => {
                outcome.numbers.floor_s = Numbers::seconds(took);
            }
            Ok(None) => {}
            // The scenario has passed; the failure is about a measurement, as its message says.
            Err(failure) => {
                outcome.reason = Some(failure.to_string());
                self.slot.doubted();
            }
        }
    }

    /// Plays one scenario on a whole fixture.
    pub fn outcome_on(
        self: &Arc<Self>,
        fleet: &Arc<P::Fixture>,
        scenario: &Scenario,
        started: SystemTime,
    ) -> Outcome {
        let (stage, fleet, scenario) = (Arc::clone(self), Arc::clone(fleet), *scenario);
        self.attended(&scenario.name(), started, move |due| {
            stage.played_on(&fleet, &scenario, started, Pace::default(), due).outcome
        })
    }

    /// Runs the play of a scenario in a thread, which the stage abandons if it hangs.
    fn attended(
        &self,
        name: &str,
        started: SystemTime,
        work: impl FnOnce(&Due) -> Outcome + Send + 'static,
    ) -> Outcome {
        let due = Arc::new(Due::default());
        let its_own = Arc::clone(&due);
        let ending = attend(name, &self.stop, AFTER_STOP, || due.at(), move || work(&its_own));
        if matches!(ending, Ok(Ending::Left(_))) {
            due.abandon();
        }
        let (verdict, why) = match ending {
            Ok(Ending::Done(outcome)) => return outcome,
            Ok(Ending::Panicked(words)) => return panicked(name, started, &words),
            Ok(Ending::Left(Left::Interrupted)) => {
                let why =
                    format!("the run was interrupted; it had not ended {} s later", AFTER_STOP.as_secs());
                (Verdict::Interrupted, why)
            }
            Ok(Ending::Left(Left::AtDeadline)) => {
                let what = due.what().unwrap_or("it");
                let why = format!(
                    "{what} did not end: something hangs, and all the time that it may take, and a grace of {} s, are over",
                    GRACE.as_secs()
                );
                self.slot.lost(Failure::new(format!("end {name}"), why.clone()));
                (Verdict::Error, why)
            }
            Err(error) => (Verdict::Error, format!("cannot start the scenario's thread: {error}")),
        };
        let mut outcome = Outcome::new(name, verdict, started);
        outcome.reason = Some(why);
        outcome.duration = started.elapsed().unwrap_or_default();
        outcome
    }

    fn played_on(
        &self,
        fleet: &P::Fixture,
        scenario: &Scenario,
        started: SystemTime,
        pace: Pace,
        due: &Due,
    ) -> Played {
        match self.run.scenario_folder(&scenario.name()) {
            Ok(folder) => {
                let context = Context {
                    record: &self.run.record.until(due.abandoned()),
                    file: &self.file,
                    folder: &folder,
                    pace,
                    seed: self.seed,
                };
                let player = self.slot.builder();
                let limit = player.limit(scenario, fleet, self.seed);
                due.within("it", limit, || player.play(scenario, fleet, &context))
            }
            Err(failure) => Played { outcome: self.no_outcome(scenario, started, failure), again: None },
        }
    }

    /// The outcome of a scenario that could not be played.
    fn no_outcome(&self, scenario: &Scenario, started: SystemTime, failure: Failure) -> Outcome {
        let interrupted = self.stop.is_set();
        let verdict = if interrupted { Verdict::Interrupted } else { Verdict::Error };
        let mut outcome = Outcome::new(scenario.name(), verdict, started);
        outcome.reason = Some(failure.to_string());
        outcome.duration = started.elapsed().unwrap_or_default();
        outcome
    }
}

/// The outcome of a scenario whose thread panicked: an error, since a panic says nothing about the guests.
fn panicked(scenario: &str, started: SystemTime, words: &str) -> Outcome {
    let mut outcome = Outcome::new(scenario, Verdict::Error, started);
    outcome.reason = Some(format!("the scenario panicked: {words}"));
    outcome.duration = started.elapsed().unwrap_or_default();
    outcome
}

#[cfg(test)]
mod tests;
