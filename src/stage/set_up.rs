//! Sets up the stage of a run that has the machine.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use super::Stage;
use super::fixture::Fixture;
use super::slot::Slot;
use crate::progress::LiveStatus;
use crate::run::{Hold, Plan};

impl Stage<Fixture> {
    /// Prepares the hosts and sets up the stage, whose trials report failures from here on. `floors` also measures the floor
    /// of each mode and order. `selected` has the names of the scenarios for the progress display; none without one.
    pub fn set_up(hold: &mut Hold, plan: Plan, floors: bool, selected: Option<Vec<String>>) -> Stage {
        let prepared = hold.prepare();
        let guests_memory = plan.guests_memory(hold.group.is_some());
        let fixture = Fixture {
            session: hold.session.clone(),
            run: Arc::clone(&hold.run),
            guests_memory,
            cpu_percent: plan.hosts.cpu_percent(&plan.settings, guests_memory),
            raise_limit: plan.hosts.raise_limit(plan.settings.catalogue.as_ref()),
            stop: hold.stop.clone(),
            group: hold.group.clone(),
            ends: Mutex::default(),
            since: Mutex::default(),
            made: Mutex::default(),
            earlier: Mutex::new(std::mem::take(&mut hold.earlier)),
            suspected_after: AtomicUsize::new(0),
        };
        let slot = match prepared {
            Ok(()) => Slot::new(fixture),
            Err(failure) => Slot::broken(fixture, failure),
        };
        let status = selected.and_then(|selected| {
            LiveStatus::begin(&hold.run.record, &hold.run.header(), selected, &plan.results, &hold.stop)
        });
        Stage::new(slot, plan, Arc::clone(&hold.run), hold.stop.clone(), floors, status)
    }
}
