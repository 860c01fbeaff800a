//! The load of a scenario as a guard: stress tools, with a watching thread for each machine, or guests that boot.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::stress::sample;
use super::{BootLoad, BootLog, LoadLook, Loads, Place, Timeline, ToolCommand, ToolCommands, memory_left};
use crate::failure::Result;
use crate::guest::Fleet;
use crate::remote::Observation;
use crate::scenario::{Room, Scenario, Side, Workload};
use crate::sys::parallel::at_once;

/// The running load.
pub struct ActiveLoad<'a> {
    loads: Vec<Loads>,
    boots: Option<BootLoad<'a>>,
    watch: LoadWatch,
}

/// The observations of a running load. Clones share them.
#[derive(Clone, Default)]
pub struct LoadWatch {
    /// The timelines of all machines with stress tools.
    pub timelines: Vec<Arc<Timeline>>,
    pub boots: BootLog,
}

impl LoadWatch {
    /// Asks for an immediate look at every load.
    pub fn look_now(&self) {
        self.timelines.iter().for_each(|timeline| timeline.look_now());
    }

    fn end(&self) {
        self.timelines.iter().for_each(|timeline| timeline.end());
    }
}

impl Drop for ActiveLoad<'_> {
    fn drop(&mut self) {
        self.watch.end();
    }
}

impl<'a> ActiveLoad<'a> {
    /// Starts the scenario's load everywhere at once. `hosts` is the present state of source and target, whose free memory
    /// decides the size of loads on them.
    pub fn start(scenario: &Scenario, fleet: &'a Fleet, hosts: &[Observation; 2]) -> Result<ActiveLoad<'a>> {
        let mut active = ActiveLoad { loads: Vec::new(), boots: None, watch: LoadWatch::default() };
        match scenario.workload {
            Workload::Stress { .. } => active.start_tools(fleet, wanted(scenario, fleet, hosts))?,
            Workload::Boot(booting) => match (booting.row().load_guests)(fleet.load_guests.len()) {
                0 => {}
                count => active.start_boots(fleet, count)?,
            },
        }
        Ok(active)
    }

    fn start_tools(&mut self, fleet: &Fleet, wanted: Vec<(Place, ToolCommand)>) -> Result<()> {
        let started: Result<Vec<(Loads, LoadLook)>> = at_once("start a load", &wanted, |(place, command)| {
            Loads::start(place, std::slice::from_ref(command), fleet.stop_flag())
        })
        .into_iter()
        .collect();
        let limit = fleet.answer_limit();
        for (loads, first) in started? {
            let timeline = Arc::new(Timeline::new(loads.place().clone(), loads.loads.clone(), first));
            self.loads.push(loads);
            timeline.watch(move |timeline| sample(&timeline.place, &timeline.loads, limit))?;
            self.watch.timelines.push(timeline);
        }
        Ok(())
    }

    fn start_boots(&mut self, fleet: &'a Fleet, count: usize) -> Result<()> {
        let boots = BootLoad::start(fleet, count)?;
        self.watch.boots = boots.log();
        self.boots = Some(boots);
        Ok(())
    }

    /// The running stress tools.
    pub fn loads(&self) -> &[Loads] {
        &self.loads
    }

    pub fn watch(&self) -> &LoadWatch {
        &self.watch
    }

    /// Ends all looks at the load.
    pub fn stop_watching(&self) {
        self.watch.end();
    }

    /// Starts no load guest anew from now on: a boot that nobody migrates beside proves nothing, and would be waited for.
    pub fn start_no_more_boots(&self) {
        if let Some(boots) = &self.boots {
            boots.start_no_more();
        }
    }

    /// Starts no more load guests, and waits until all that boot are up or have failed.
    pub fn finish_boots(&mut self) {
        if let Some(boots) = &mut self.boots {
            boots.finish();
        }
    }

    /// Ends everything, everywhere at once; a load that does not end delays no other. `silent` guests are not asked: before
    /// the next scenario they are renewed, or their loads found by the mark.
    pub fn close(mut self, silent: &BTreeSet<String>) -> Result<()> {
        self.watch.end();
        let (lost, ending): (Vec<Loads>, Vec<Loads>) = std::mem::take(&mut self.loads)
            .into_iter()
            .partition(|loads| loads.place().guest().is_some_and(|guest| silent.contains(guest)));
        lost.into_iter().for_each(Loads::forget);
        let stopped = at_once("stop a load", ending, Loads::close).into_iter().fold(Ok(()), Result::and);
        stopped.and(self.boots.take().map_or(Ok(()), BootLoad::close))
    }
}

/// The commands, each with its machine.
fn wanted(scenario: &Scenario, fleet: &Fleet, hosts: &[Observation; 2]) -> Vec<(Place, ToolCommand)> {
    let room = |side: Side| {
        let host = fleet.hosts.get(side);
        let seen = &hosts[usize::from(side == Side::Target)];
        Room { cpu_percent: host.entry.cpu_percent, memory_left: memory_left(host, seen, &fleet.profile) }
    };
    let ToolCommands { in_guest, on_hosts } = ToolCommands::of(scenario, &fleet.profile, room);
    let in_guests = in_guest.into_iter().flat_map(|command| {
        fleet.guests.iter().cloned().map(move |guest| (Place::Guest(guest), command.clone()))
    });
    let on_hosts = on_hosts.into_iter().map(|(side, command)| (Place::host(fleet, side), command));
    in_guests.chain(on_hosts).collect()
}
