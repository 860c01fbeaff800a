//! What a scenario puts on guests and hosts while the fleet migrates: stress tools, or guests that boot.

use crate::check::{booting, load};
use crate::failure::Done;
use crate::guest::Fleet;
use crate::host::Observation;
use crate::load::{BootLoad, Command, Loads, Place, Sample, memory_left};
use crate::migration::LegReport;
use crate::migration::order::Leg;
use crate::parallel::at_once;
use crate::scenario::{
    Booting, Bytes, HostShare, Kind, LoadSize, Profile, Scenario, Side, Tool, Workload, load_command,
};

use super::journal::Journal;
use super::prove::Seen;

/// What one machine's loads looked like, in the order of the loads.
pub type Samples = Done<Vec<Sample>>;

/// Everything that runs, and how it looked last.
pub struct Burden<'a> {
    fleet: &'a Fleet,
    loads: Vec<Loads>,
    boots: Option<BootLoad<'a>>,
    last: Vec<Samples>,
}

impl<'a> Burden<'a> {
    /// Starts what the scenario says, everywhere at once. `source` and `target` are how the hosts look now: their
    /// loads are sized by what is left of them.
    pub fn start(
        scenario: &Scenario,
        fleet: &'a Fleet,
        [source, target]: [&Observation; 2],
        journal: &Journal<'_>,
    ) -> Done<Burden<'a>> {
        let mut burden = Burden { fleet, loads: Vec::new(), boots: None, last: Vec::new() };
        match scenario.workload {
            Workload::Stress { tool, kind, share } => {
                let mut wanted = Vec::new();
                if scenario.location.in_guests() {
                    let command = in_guest(tool, kind, &fleet.profile);
                    let places = fleet.guests.iter().cloned().map(Place::Guest);
                    wanted.extend(places.map(|place| (place, command.clone())));
                }
                for side in scenario.location.hosts() {
                    let host = fleet.hosts.get(*side);
                    let seen = if *side == Side::Source { source } else { target };
                    let share = share.unwrap_or(HostShare::Half);
                    let left = memory_left(host, seen);
                    let command = on_host(tool, kind, share, host.entry.cpu_percent, left);
                    wanted.push((Place::host(fleet, *side), command));
                }
                let started: Done<Vec<Loads>> = at_once("start a load", &wanted, |(place, command)| {
                    Loads::start(place, std::slice::from_ref(command), fleet.cancel())
                })
                .into_iter()
                .collect();
                burden.loads = started?;
            }
            Workload::Boot(Booting::LoadVm) => burden.boots = Some(BootLoad::start(fleet, 1)?),
            Workload::Boot(Booting::LoadVms) => {
                burden.boots = Some(BootLoad::start(fleet, fleet.load_guests.len())?);
            }
            Workload::Boot(Booting::MigratedVms) => {}
        }
        for loads in &burden.loads {
            journal.loads_started(loads);
        }
        burden.last = burden.sample();
        Ok(burden)
    }

    /// Looks at all loads on all machines at once.
    pub fn sample(&self) -> Vec<Samples> {
        at_once("look at a load", &self.loads, |loads| loads.sample(self.fleet.answer_limit()))
    }

    /// Proves every load for a step, from how it looked `during` it and in the looks after it.
    pub fn prove(
        &mut self,
        during: Vec<Samples>,
        seen: &Seen,
        legs: &[(Leg, LegReport)],
        journal: &mut Journal<'_>,
    ) {
        for ((loads, last), during) in self.loads.iter().zip(&mut self.last).zip(during) {
            let place = loads.place();
            // A load in a guest belongs to that guest's own move, one on a host to all of the step.
            let leg = legs
                .iter()
                .map(|(leg, _)| leg)
                .find(|leg| place.guest().is_none_or(|guest| self.fleet.guests[leg.guest].name == guest));
            let after = seen.of(place.name()).map(|(seen, asked)| loads.sample_of(seen, asked));
            for (number, load) in loads.loads.iter().enumerate() {
                let proof = match (&*last, &during) {
                    (Ok(last), Ok(during)) => {
                        let after = after.as_ref().map(|samples| &samples[number]);
                        load::check(place.name(), load, &last[number], &during[number], after)
                    }
                    (Err(failure), _) | (_, Err(failure)) => {
                        load::unknown(place.name(), load, &failure.to_string())
                    }
                };
                journal.prove(place.guest(), leg, proof);
            }
            *last = after.map_or(during, Ok);
        }
        if let Some(boots) = &self.boots {
            let boots = boots.boots();
            for (leg, report) in legs.iter().filter(|(_, report)| report.error.is_none()) {
                let guest = &self.fleet.guests[leg.guest].name;
                journal.prove(Some(guest), Some(leg), booting::others(&boots, report));
            }
        }
    }

    /// Ends everything, everywhere at once; one that cannot be ended does not keep the others.
    pub fn stop(self) -> Done<()> {
        let stopped = at_once("stop a load", self.loads, Loads::close).into_iter().fold(Ok(()), Done::and);
        stopped.and(self.boots.map_or(Ok(()), BootLoad::close))
    }
}

fn in_guest(tool: Tool, kind: Kind, profile: &Profile) -> Command {
    let size = LoadSize::of_guest(kind, profile);
    Command { words: load_command(tool, kind, size), resident: most_of(kind, size.total()), short: false }
}

fn on_host(tool: Tool, kind: Kind, share: HostShare, cpu_percent: u32, left: Bytes) -> Command {
    let size = LoadSize::of_host(kind, share, cpu_percent, left);
    let short = kind == Kind::Memory && share == HostShare::Short;
    // One that asks for more than there is never gets it: with half of what is left it is at work.
    let resident = if short { Bytes(left.0 / 2) } else { most_of(kind, size.total()) };
    Command { words: load_command(tool, kind, size), resident, short }
}

/// What must be resident of a load's memory: nine tenths, because a page or two may be on its way.
fn most_of(kind: Kind, total: Bytes) -> Bytes {
    match kind {
        Kind::Cpu => Bytes(0),
        Kind::Memory => Bytes(total.0 / 10 * 9),
    }
}
