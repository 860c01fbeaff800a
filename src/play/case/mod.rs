//! One scenario while it is played. A case moves guests step by step and asks every check at each moment; it knows no check
//! by name.
//!
//! Everything slow has a thread of its own. The case's thread waits for events and takes them one by one.

mod end;
mod prepare;
mod refusal;
mod step;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::activity::Activity;
use super::booting_guests::BootingGuests;
use super::guest_clock::GuestClock;
use super::journal::Journal;
use super::lookout::{CaseEvent, Lookout};
use super::machines::Machines;
use super::panel::Panel;
use super::step_log::StepLog;
use super::{Context, moves};
use crate::check::{GuestLook, Silence};
use crate::failure::{Failure, Result};
use crate::guest::Fleet;
use crate::host::LogMarks;
use crate::load::ActiveLoad;
use crate::migration::LegReport;
use crate::plan::{Leg, Step};
use crate::remote::Observation;
use crate::scenario::Scenario;
use crate::sys::halt;

/// The result of a scenario beside what its journal has.
pub struct Ended {
    /// Why the case could not be played to its end.
    pub result: Result<()>,
    /// The folder of its logs.
    pub logs: Result<PathBuf>,
    /// Every move, in the order of their ends.
    pub legs: Vec<LegReport>,
}

/// The hosts before the first move.
#[derive(Default)]
struct HostBaselines {
    marks: OnceLock<Result<LogMarks>>,
    hosts: OnceLock<[Observation; 2]>,
}

/// Plays a scenario to its end, whatever it finds.
pub fn play(scenario: &Scenario, fleet: &Fleet, context: &Context<'_>, journal: &mut Journal<'_>) -> Ended {
    let before = HostBaselines::default();
    let steps = match moves::steps(scenario, fleet, context.seed) {
        Ok(steps) => steps,
        Err(failure) => return Ended { result: Err(failure.clone()), logs: Err(failure), legs: Vec::new() },
    };
    thread::scope(|scope| {
        let (sender, happenings) = channel();
        let lookout = Lookout::new(scope, fleet, sender);
        let mut case = Case::new(scenario, fleet, context, &before, journal, lookout, happenings);
        let watches = case.prepare();
        case.play_steps(&steps);
        case.finish(watches)
    })
}

/// The pause between two looks round while nothing happens: at the stop flag, and at what checks have seen in threads of their own.
const LOOK_ROUND: Duration = Duration::from_millis(100);

struct Case<'a, 'scope, 'env: 'scope, 'record: 'env, M> {
    scenario: &'env Scenario,
    machines: &'env M,
    context: &'env Context<'env>,
    before: &'env HostBaselines,
    journal: &'a mut Journal<'record>,
    panel: Panel<'env>,
    lookout: Lookout<'scope, 'env>,
    happenings: Receiver<CaseEvent<'env>>,
    log: StepLog,
    /// Each guest's own clock since its first look.
    clocks: HashMap<usize, GuestClock>,
    /// Guests that boot for the step under way.
    booting: Option<BootingGuests>,
    load: Option<ActiveLoad<'env>>,
    open: Open,
    /// Why the case cannot be played to its end.
    failure: Option<Failure>,
}

/// What has begun and has not ended.
#[derive(Default)]
struct Open {
    /// Guests whose first look has not ended.
    first_looks: BTreeSet<usize>,
    /// Looks that are complete and not judged yet, with the guests' numbers.
    looks: Vec<(usize, GuestLook)>,
    /// The number of looks at the hosts under way.
    hosts: usize,
    /// The last of them had no answer.
    hosts_silent: bool,
    /// The first move that the stack refused.
    refused: Option<Leg>,
    /// The number of the step whose guests move.
    step: Option<usize>,
    load_starts: bool,
    load_ends: bool,
    /// Whether the step under way is the last.
    is_last: bool,
}

impl<'a, 'scope, 'env: 'scope, 'record: 'env, M> Case<'a, 'scope, 'env, 'record, M> {
    /// A case of which nothing has begun, and for which no check is asked yet.
    fn new(
        scenario: &'env Scenario,
        machines: &'env M,
        context: &'env Context<'env>,
        before: &'env HostBaselines,
        journal: &'a mut Journal<'record>,
        lookout: Lookout<'scope, 'env>,
        happenings: Receiver<CaseEvent<'env>>,
    ) -> Self {
        Case {
            scenario,
            machines,
            context,
            before,
            journal,
            panel: Panel::default(),
            lookout,
            happenings,
            log: StepLog::default(),
            clocks: HashMap::new(),
            booting: None,
            load: None,
            open: Open::default(),
            failure: None,
        }
    }
}

impl<'env, M: Machines> Case<'_, '_, 'env, '_, M> {
    /// Plays step after step, until the last one or until no guest moves any more.
    fn play_steps(&mut self, steps: &'env [Step]) {
        for (number, step) in steps.iter().enumerate() {
            if self.is_over() {
                break;
            }
            self.step(number, step, number + 1 == steps.len());
        }
        self.judge_refusal();
    }

    /// Whether no guest may move any more: a guest in the wrong place cannot make its next move.
    fn is_over(&self) -> bool {
        self.failure.is_some()
            || self.journal.has_damage()
            || self.journal.refusal().is_some()
            || self.machines.stop_flag().is_set()
    }

    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Takes events until `what` names nothing more to wait for.
    fn wait(&mut self, activity: Activity, what: impl Fn(&Self) -> Option<String>) {
        while let Some(what) = what(self) {
            self.journal.wait(activity, &what);
            match self.happenings.recv_timeout(LOOK_ROUND) {
                Ok(happening) => self.take(happening),
                Err(RecvTimeoutError::Timeout) => self.look_round(),
                // The lookout holds a sender as long as the case lives.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes the events that are there already.
    fn take_what_came(&mut self) {
        while let Ok(happening) = self.happenings.try_recv() {
            self.take(happening);
        }
    }

    /// Lets booting guests give up and checks look, while nothing happens.
    fn look_round(&mut self) {
        if let (true, Some(booting)) = (self.machines.stop_flag().is_set(), &self.booting) {
            booting.give_up();
        }
        self.panel.ask(self.journal, |check| check.meanwhile());
    }

    fn take(&mut self, happening: CaseEvent<'env>) {
        match happening {
            CaseEvent::LegOver(leg, report) => self.leg_over(leg, *report),
            CaseEvent::StepOver => {
                self.open.step = None;
                self.log.step_over();
                self.judge_looks();
            }
            CaseEvent::Up { number, up } => {
                if let Some(booting) = &mut self.booting {
                    booting.up(number, up);
                }
            }
            CaseEvent::FirstLook { number, leg, look } => {
                self.looked_first(number, leg, look.map(|look| *look));
            }
            CaseEvent::Guest { number, leg, look } => self.looked(number, leg, look.map(|look| *look)),
            CaseEvent::Hosts { leg, seen } => self.looked_at_hosts(leg, *seen),
            CaseEvent::Loaded(load) => self.loaded(load.map(|load| *load)),
            CaseEvent::Unloaded(ended) => {
                self.open.load_ends = false;
                ended.unwrap_or_else(|failure| self.fail(failure));
            }
        }
        self.panel.ask(self.journal, |check| check.meanwhile());
    }

    /// Begins to look into a guest.
    fn look_into(&mut self, number: usize, pause: bool) {
        let leg = self.log.look_begins(number);
        self.lookout.look_into(number, leg, pause);
    }

    fn look_at_hosts(&mut self, leg: Option<Leg>) {
        self.open.hosts += 1;
        self.lookout.look_at_hosts(leg);
    }

    fn looked(&mut self, number: usize, leg: Option<Leg>, look: Result<GuestLook>) {
        let asked = self.log.look_began(number).unwrap_or_else(Instant::now);
        let beside = self.log.look_ends(number);
        match look {
            Ok(look) => {
                if let Ok((pulse, map)) = &look.pulse {
                    self.clocks.entry(number).or_default().add(pulse, map, &halt::so_far());
                }
                self.open.looks.push((number, GuestLook { beside, ..look }));
                self.judge_looks();
                if self.log.owes_look(number) {
                    self.look_into(number, false);
                }
            }
            Err(failure) => {
                let why = format!("{failure}{}", GuestLook::also_after(beside));
                self.silent(number, leg, asked, &why);
            }
        }
    }

    /// Judges looks at guests that do not move: how long a guest stood still for a move is known when that move is over.
    fn judge_looks(&mut self) {
        let looks = std::mem::take(&mut self.open.looks);
        let (later, now) = looks.into_iter().partition(|(number, _)| self.log.is_moving(*number));
        self.open.looks = later;
        let now: Vec<(usize, GuestLook)> = now;
        for (_, look) in now {
            self.panel.ask(self.journal, |check| check.on_look(&look));
        }
    }

    /// A guest gave no answer to a look that began at `asked`.
    fn silent(&mut self, number: usize, leg: Option<Leg>, asked: Instant, why: &str) {
        let silence = Silence { guest: &self.machines.guests()[number], leg, why, asked };
        self.panel.ask(self.journal, |check| check.on_silence(&silence));
    }

    fn looked_at_hosts(&mut self, leg: Option<Leg>, seen: [Result<Observation>; 2]) {
        self.open.hosts -= 1;
        self.open.hosts_silent = seen.iter().any(Result::is_err);
        self.machines.show_hosts(leg, seen, &mut |look| {
            self.panel.ask(self.journal, |check| check.on_hosts(look));
        });
    }

    /// Whether a guest did not answer a look: it is not asked again.
    fn is_silent(&self, guest: usize) -> bool {
        self.journal.silent_guests().contains(&self.machines.guests()[guest].name)
    }

    fn name(&self, guest: usize) -> String {
        self.machines.guests()[guest].name.clone()
    }
}

#[cfg(test)]
mod tests;
