//! Everything that a scenario runs beside its moves, as a guard: stress tools, each watched by a thread of its own, or guests
//! that boot.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::stress::sample;
use super::{BootLoad, BootLog, Command, LoadLook, Loads, Place, Timeline, memory_left};
use crate::failure::Result;
use crate::guest::Fleet;
use crate::remote::Observation;
use crate::scenario::{
    Booting, Bytes, HostShare, Kind, LoadSize, Profile, Scenario, Side, Tool, Workload, load_command,
};
use crate::sys::parallel::at_once;

/// What runs.
pub struct ActiveLoad<'a> {
    loads: Vec<Loads>,
    boots: Option<BootLoad<'a>>,
    watch: LoadWatch,
}

/// How it goes with what runs. Clones share it.
#[derive(Clone, Default)]
pub struct LoadWatch {
    /// One for each machine with stress tools.
    pub timelines: Vec<Arc<Timeline>>,
    pub boots: BootLog,
}

impl LoadWatch {
    /// Wants a look at every load, asked for from now on.
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
    /// Starts what the scenario says, everywhere at once. `hosts` is how source and target look now: their loads are sized by
    /// what is left of them.
    pub fn start(scenario: &Scenario, fleet: &'a Fleet, hosts: &[Observation; 2]) -> Result<ActiveLoad<'a>> {
        let mut active = ActiveLoad { loads: Vec::new(), boots: None, watch: LoadWatch::default() };
        match scenario.workload {
            Workload::Stress { tool, kind, share } => {
                active.start_tools(fleet, wanted(scenario, fleet, hosts, (tool, kind, share)))?;
            }
            Workload::Boot(Booting::LoadVm) => active.start_boots(fleet, 1)?,
            Workload::Boot(Booting::LoadVms) => active.start_boots(fleet, fleet.load_guests.len())?,
            Workload::Boot(Booting::MigratedVms) => {}
        }
        Ok(active)
    }

    fn start_tools(&mut self, fleet: &Fleet, wanted: Vec<(Place, Command)>) -> Result<()> {
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

    /// The stress tools.
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

    /// Waits until all load guests that boot are up or have failed; none is started any more.
    pub fn finish_boots(&mut self) {
        if let Some(boots) = &mut self.boots {
            boots.finish();
        }
    }

    /// Ends everything, everywhere at once; one that cannot be ended does not keep the others. Guests that are `silent`
    /// are not asked: before the next scenario they are renewed, or their loads found by the mark.
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

/// Which command is to run where.
fn wanted(
    scenario: &Scenario,
    fleet: &Fleet,
    hosts: &[Observation; 2],
    (tool, kind, share): (Tool, Kind, Option<HostShare>),
) -> Vec<(Place, Command)> {
    let mut wanted = Vec::new();
    if scenario.location.in_guests() {
        let command = in_guest(tool, kind, &fleet.profile);
        wanted.extend(fleet.guests.iter().cloned().map(|guest| (Place::Guest(guest), command.clone())));
    }
    for side in scenario.location.hosts() {
        let host = fleet.hosts.get(*side);
        let seen = &hosts[usize::from(*side == Side::Target)];
        let share = share.unwrap_or(HostShare::Half);
        let left = memory_left(host, seen, &fleet.profile);
        wanted.push((Place::host(fleet, *side), on_host(tool, kind, share, host.entry.cpu_percent, left)));
    }
    wanted
}

fn in_guest(tool: Tool, kind: Kind, profile: &Profile) -> Command {
    let size = LoadSize::of_guest(kind, profile);
    Command {
        words: load_command(tool, kind, size),
        resident: most_of(kind, size.total()),
        short: false,
        basis: None,
    }
}

fn on_host(tool: Tool, kind: Kind, share: HostShare, cpu_percent: u32, left: Bytes) -> Command {
    let size = LoadSize::of_host(kind, share, cpu_percent, left);
    let short = kind == Kind::Memory && share == HostShare::Short;
    // One that asks for more than there is never gets it: with half of what is left it is at work.
    let resident = if short { Bytes(left.0 / 2) } else { most_of(kind, size.total()) };
    let basis = match kind {
        Kind::Cpu => format!("{:.2} CPUs", f64::from(cpu_percent) / 100.0),
        Kind::Memory => format!("{} MiB of memory that its guests and daemons leave", left.0 >> 20),
    };
    Command { words: load_command(tool, kind, size), resident, short, basis: Some(basis) }
}

/// What must be resident of a load's memory: nine tenths, because a page or two may be on its way.
fn most_of(kind: Kind, total: Bytes) -> Bytes {
    match kind {
        Kind::Cpu => Bytes(0),
        Kind::Memory => Bytes(total.0 / 10 * 9),
    }
}
