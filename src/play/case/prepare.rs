//! The beginning of a case: first looks, watches and the load, all at the same time.

use std::time::Instant;

use super::{Case, GuestLook};
use crate::check::Scene;
use crate::failure::{Failure, Result};
use crate::guest::Fleet;
use crate::host::LogMarks;
use crate::load::ActiveLoad;
use crate::plan::Leg;
use crate::play::activity::Activity;
use crate::play::cpu;
use crate::play::guest_clock::GuestClock;
use crate::play::lookout::{CaseEvent, Look};
use crate::play::machines::Machines;
use crate::play::panel::Panel;
use crate::probe::ProbeStream;
use crate::sys::parallel::locked;
use crate::sys::watch::Watch;

/// Measurements through the whole scenario that belong to no single check.
pub(super) struct Watches {
    pub probes: Result<ProbeStream>,
    pub cpu: Result<Watch<()>>,
}

impl<'env> Case<'_, '_, 'env, '_, Fleet> {
    /// Begins everything, and returns when the load works and every guest has had its first look.
    ///
    /// The first look also finds what went wrong in a guest since the scenario before: without it, nobody would report a
    /// kernel that dies a moment after a scenario has ended.
    pub(super) fn prepare(&mut self) -> Watches {
        for number in 0..self.machines.guests.len() {
            self.look_first(number, None);
        }
        self.note_hosts();
        let watches = Watches {
            probes: ProbeStream::start(&self.machines.guests, self.machines.profile.probe_interval),
            cpu: cpu::watch(&self.machines.hosts, self.context.record),
        };
        if let Err(failure) = self.begin_checks() {
            self.fail(failure);
        }
        if self.failure.is_none() {
            self.start_load();
        }
        self.await_first_looks();
        self.wait(Activity::Loading, |case| case.open.load_starts.then(|| "the load to work".to_owned()));
        watches
    }

    /// Notes the hosts' processes and the ends of their logs.
    fn note_hosts(&mut self) {
        let fleet = self.machines;
        let before = self.before;
        let [source, target] = std::thread::scope(|scope| {
            scope.spawn(|| {
                // From where the last scenario stopped reading, so that nothing falls between the two.
                let read = locked(&fleet.hosts.logs_read).take();
                before.marks.set(read.map_or_else(|| LogMarks::set(&fleet.hosts, &fleet.storage), Ok))
            });
            fleet.hosts()
        });
        match source.and_then(|source| Ok([source, target?])) {
            // Each scenario sets this once.
            Ok(hosts) => drop(before.hosts.set(hosts)),
            Err(failure) => self.fail(failure),
        }
    }

    fn begin_checks(&mut self) -> Result<()> {
        let Some(hosts) = self.before.hosts.get() else { return Ok(()) };
        self.panel = Panel::begin(&Scene {
            scenario: self.scenario,
            fleet: self.machines,
            file: self.context.file,
            logs: self.before.marks.get().and_then(|marks| marks.as_ref().ok()),
            hosts,
        })?;
        Ok(())
    }

    fn start_load(&mut self) {
        let Some(hosts) = self.before.hosts.get() else { return };
        self.open.load_starts = true;
        let (scenario, fleet) = (self.scenario, self.machines);
        let panicked = CaseEvent::Loaded(Err(Failure::new("start the load", "it panicked")));
        self.lookout.beside("start the load", panicked, move |sender| {
            let load = ActiveLoad::start(scenario, fleet, hosts).map(Box::new);
            let _ = sender.send(CaseEvent::Loaded(load));
        });
    }
}

impl<'env, M: Machines> Case<'_, '_, 'env, '_, M> {
    pub(super) fn look_first(&mut self, number: usize, leg: Option<Leg>) {
        self.open.first_looks.insert(number);
        self.lookout.look_first(number, leg, self.scenario.mode);
    }

    pub(super) fn await_first_looks(&mut self) {
        self.wait(Activity::Preparing, |case| {
            case.open.first_looks.first().map(|number| format!("the first look at {}", case.name(*number)))
        });
    }

    pub(super) fn loaded(&mut self, load: Result<ActiveLoad<'env>>) {
        self.open.load_starts = false;
        match load {
            Ok(load) => {
                load.loads().iter().for_each(|loads| self.journal.loads_started(loads));
                self.panel.tell(|check| check.on_load(load.watch()));
                self.load = Some(load);
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Takes the look that checks compare the guest with from now on.
    pub(super) fn looked_first(&mut self, number: usize, leg: Option<Leg>, look: Result<GuestLook>) {
        self.open.first_looks.remove(&number);
        match (look, leg) {
            (Ok(look), _) => {
                self.clocks.insert(number, GuestClock::default());
                self.panel.tell(|check| check.learn_start(&look));
                self.panel.ask(self.journal, |check| check.at_start(&look));
            }
            (Err(failure), Some(_)) => {
                self.log.lose(number);
                self.silent(number, leg, Instant::now(), &failure.to_string());
            }
            // The guest was whole a moment ago, with the fleet: no scenario has begun.
            (Err(failure), None) => {
                self.log.lose(number);
                self.fail(failure);
            }
        }
    }
}
