//! The machines of a scenario as a case uses them: all calls that need a lab while guests move.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::booting_guests::BootingGuests;
use super::lookout::{Look, Lookout};
use super::moves::{self, OnLeg};
use crate::check::HostsLook;
use crate::failure::{Cause, Result};
use crate::guest::{Fleet, Guest};
use crate::migration::{LegReport, OnProgress, Pace};
use crate::plan::{Leg, Step};
use crate::remote::Observation;
use crate::scenario::{Scenario, Side};
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;

/// What a case does with the machines of its scenario.
pub trait Machines: Look {
    /// The guests that migrate.
    fn guests(&self) -> &[Arc<Guest>];

    /// Set when the run is interrupted.
    fn stop_flag(&self) -> &StopFlag;

    /// The name of the host on a side, as libvirt's events have it.
    fn host(&self, side: Side) -> &str;

    /// How long guests run on under watch after their last move.
    fn settle(&self) -> Duration;

    /// How long one question may take to be answered.
    fn answer_limit(&self) -> Duration;

    /// Moves the guests of a step, all at once, and returns when all moves have ended.
    fn play(&self, scenario: &Scenario, step: &Step, pace: Pace, hear: &OnProgress<'_>, over: &OnLeg<'_>);

    /// Powers the guests of a step off and boots them where they are. Each that comes up sends an event through the lookout.
    fn boot<'env>(&'env self, lookout: &Lookout<'_, 'env>, legs: &[Leg]) -> Result<BootingGuests>;

    /// Passes on a look at both hosts after a step.
    fn show_hosts(
        &self,
        leg: Option<Leg>,
        seen: [Result<Observation>; 2],
        show: &mut dyn FnMut(&HostsLook<'_>),
    );

    /// Moves the guests of a step without reporting progress, and returns the error of a move that failed.
    fn play_unheard(&self, scenario: &Scenario, step: &Step, pace: Pace) -> Option<Cause> {
        let errors = Mutex::new(Vec::new());
        let over = |_: &Leg, report: LegReport| locked(&errors).extend(report.error);
        self.play(scenario, step, pace, &|_, _| (), &over);
        locked(&errors).pop()
    }
}

impl Machines for Fleet {
    fn guests(&self) -> &[Arc<Guest>] {
        &self.guests
    }

    fn stop_flag(&self) -> &StopFlag {
        self.stop_flag()
    }

    fn host(&self, side: Side) -> &str {
        &self.hosts.get(side).entry.name
    }

    fn settle(&self) -> Duration {
        self.profile.settle
    }

    fn answer_limit(&self) -> Duration {
        self.answer_limit()
    }

    fn play(&self, scenario: &Scenario, step: &Step, pace: Pace, hear: &OnProgress<'_>, over: &OnLeg<'_>) {
        moves::play(scenario, self, step, pace, hear, over);
    }

    fn boot<'env>(&'env self, lookout: &Lookout<'_, 'env>, legs: &[Leg]) -> Result<BootingGuests> {
        BootingGuests::start(lookout, self, legs)
    }

    fn show_hosts(
        &self,
        leg: Option<Leg>,
        [source, target]: [Result<Observation>; 2],
        show: &mut dyn FnMut(&HostsLook<'_>),
    ) {
        show(&HostsLook { leg, hosts: [(&self.hosts.source, source), (&self.hosts.target, target)] });
    }
}
