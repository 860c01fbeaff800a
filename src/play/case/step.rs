//! A step of a case: moves all of its guests at once, then asks every check. Looks at guests that have arrived go on beside
//! the next step, even where the same guests move in it.

use std::time::Instant;

use super::Case;
use crate::check::{BootEnd, LegEnd, StepEnd};
use crate::migration::LegReport;
use crate::plan::{Leg, Step};
use crate::play::activity::Activity;
use crate::play::lookout::CaseEvent;
use crate::play::machines::Machines;

impl<'env, M: Machines> Case<'_, '_, 'env, '_, M> {
    /// Plays the step of that number.
    pub(super) fn step(&mut self, number: usize, step: &'env Step, is_last: bool) {
        self.take_what_came();
        self.wait(Activity::Looking, |case| case.log.due(step).map(|guest| case.name(guest)));
        if self.is_over() {
            return;
        }
        self.open.is_last = is_last;
        self.boot(step);
        if self.failure.is_some() {
            return;
        }
        let began = Instant::now();
        self.move_guests(number, step);
        if let Some(load) = self.load.as_ref().filter(|_| is_last) {
            load.start_no_more_boots();
        }
        self.await_boots(number);
        self.judge(number, step, began);
    }

    /// Restarts the guests of a step, in a scenario whose load is their boot.
    fn boot(&mut self, step: &Step) {
        if !self.scenario.boots_itself() {
            return;
        }
        self.journal.wait(Activity::Booting, "guests to power off and on");
        match self.machines.boot(&self.lookout, &step.legs) {
            Ok(booting) => self.booting = Some(booting),
            Err(failure) => self.fail(failure),
        }
    }

    fn move_guests(&mut self, number: usize, step: &'env Step) {
        for leg in &step.legs {
            self.log.leg_begins(*leg);
            self.journal.leg_started(&self.machines.guests()[leg.guest].name, leg, number);
        }
        self.open.step = Some(number);
        let (scenario, machines) = (self.scenario, self.machines);
        let (pace, hear) = (self.context.pace, self.journal.reporter());
        self.lookout.beside("move guests", CaseEvent::StepOver, move |sender| {
            let over = |leg: &Leg, report| drop(sender.send(CaseEvent::LegOver(*leg, Box::new(report))));
            machines.play(scenario, step, pace, &hear, &over);
            let _ = sender.send(CaseEvent::StepOver);
        });
        self.wait(Activity::Ordering, |case| case.open.step.map(|number| format!("step {}", number + 1)));
    }

    /// Takes the end of libvirt's call for one guest.
    pub(super) fn leg_over(&mut self, leg: Leg, report: LegReport) {
        let Some(number) = self.open.step else { return };
        let guest = &self.machines.guests()[leg.guest];
        // A refusal can only be about the scenario's own transport: every stack makes a plain migration.
        let refused = report.refused && !self.scenario.transport.is_plain() && !self.log.has_completed();
        self.journal.leg_finished(&guest.name, &leg, number, &report);
        if refused {
            self.refused(leg, &report);
        }
        let source = self.machines.host(leg.from());
        let end = LegEnd { guest, leg, source, report: &report, refused };
        self.panel.tell(|check| check.learn_leg(&end));
        self.panel.ask(self.journal, |check| check.on_leg(&end));
        let is_here = report.error.is_none();
        self.log.leg_over(number, leg, report);
        self.judge_looks();
        // A look at this guest begins now, whatever the others of its step do. A booting guest has its look when it is up,
        // and the last step's guests have theirs at the end, when nothing moves any more.
        let wants_look =
            is_here && self.booting.is_none() && !self.open.is_last && !self.is_silent(leg.guest);
        if wants_look && self.log.may_look(leg.guest) {
            self.look_into(leg.guest, false);
        }
    }

    /// Waits until the restarted guests that moved are up, and begins to compare each with its state at that moment.
    fn await_boots(&mut self, number: usize) {
        let Some(booting) = &mut self.booting else { return };
        let came = |guest: &usize| {
            let legs = self.log.of_guest(*guest);
            legs.into_iter().any(|(step, _, report)| *step == number && report.error.is_none())
        };
        let others: Vec<usize> =
            booting.guests().map(|(guest, _)| guest).filter(|guest| !came(guest)).collect();
        for guest in others {
            booting.forget(guest);
            // Earlier looks saw another boot.
            self.log.lose(guest);
        }
        self.wait(Activity::Booting, |case| {
            case.booting.as_ref()?.next_to_come().map(|guest| case.name(guest))
        });
        let Some(booting) = self.booting.take() else { return };
        for (guest, booted) in booting.guests() {
            let Some((_, _, report)) = self.log.of_guest(guest).into_iter().next_back() else { continue };
            let Some(up) = &booted.up else { continue };
            let end = BootEnd {
                guest: &self.machines.guests()[guest],
                leg: booted.leg,
                report,
                started: booted.started,
                up: up.as_ref().copied(),
                resets: booted.resets(),
            };
            self.panel.ask(self.journal, |check| check.on_boot(&end));
            match up {
                Ok(_) => self.look_first(guest, Some(booted.leg)),
                Err(_) => self.log.lose(guest),
            }
        }
        self.wait(Activity::Booting, |case| {
            case.open.first_looks.first().map(|guest| format!("the first look at {}", case.name(*guest)))
        });
    }

    fn judge(&mut self, number: usize, step: &Step, began: Instant) {
        let legs = self.log.of_step(number, step);
        let first = legs.iter().filter_map(|(_, report)| report.began).min();
        let last = legs.iter().filter_map(|(_, report)| report.ended).max();
        let end = StepEnd {
            legs: &legs,
            crosses: step.crosses(),
            began: first.unwrap_or(began),
            ended: last.unwrap_or_else(Instant::now),
        };
        self.journal.wait(Activity::Proving, "where every guest is");
        self.panel.tell(|check| check.learn_step(&end));
        self.panel.ask(self.journal, |check| check.on_step(&end));
        self.look_at_hosts(step.legs.first().copied());
    }
}
