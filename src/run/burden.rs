//! What a scenario puts on guests and hosts while the fleet migrates: stress tools, or guests that boot.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::check::{Proof, booting, load};
use crate::failure::Result;
use crate::guest::Fleet;
use crate::load::{BootLoad, Command, Loads, Place, Sample, memory_left};
use crate::migration::LegReport;
use crate::plan::Leg;
use crate::remote::Observation;
use crate::scenario::{
    Booting, Bytes, HostShare, Kind, LoadSize, Profile, Scenario, Side, Tool, Workload, load_command,
};
use crate::sys::parallel::at_once;

use super::journal::Journal;
use super::phase::Phase;
use crate::sys::wait::StopFlag;

/// From one look at the loads during a migration to the next.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// What one machine's loads looked like, in the order of the loads.
type Samples = Result<Vec<Sample>>;

/// Everything that runs, and how it looked last.
pub struct Burden<'a> {
    fleet: &'a Fleet,
    loads: Vec<Loads>,
    boots: Option<BootLoad<'a>>,
    last: Vec<Samples>,
    /// The last step, which is proved when there is a look from after it.
    open: Option<Open>,
}

/// A step that is over: its moves, and a list of looks during it for every machine.
struct Open {
    legs: Vec<Leg>,
    looks: Vec<Vec<Samples>>,
}

impl<'a> Burden<'a> {
    /// Starts what the scenario says, everywhere at once. `source` and `target` are how the hosts look now: their
    /// loads are sized by what is left of them.
    pub fn start(
        scenario: &Scenario,
        fleet: &'a Fleet,
        [source, target]: [&Observation; 2],
    ) -> Result<Burden<'a>> {
        let mut burden = Burden { fleet, loads: Vec::new(), boots: None, last: Vec::new(), open: None };
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
                    let left = memory_left(host, seen, &fleet.profile);
                    let command = on_host(tool, kind, share, host.entry.cpu_percent, left);
                    wanted.push((Place::host(fleet, *side), command));
                }
                let started: Result<Vec<Loads>> = at_once("start a load", &wanted, |(place, command)| {
                    Loads::start(place, std::slice::from_ref(command), fleet.stop_flag())
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
        burden.last = burden.sample();
        Ok(burden)
    }

    /// The stress tools.
    pub fn loads(&self) -> &[Loads] {
        &self.loads
    }

    /// Looks at all loads on all machines at once.
    pub fn sample(&self) -> Vec<Samples> {
        at_once("look at a load", &self.loads, |loads| loads.sample(self.fleet.answer_limit()))
    }

    /// Looks at all loads again and again until the token says that it is over; a list of looks for every machine.
    pub fn watch(&self, over: &StopFlag) -> Vec<Vec<Samples>> {
        let mut looks: Vec<Vec<Samples>> = self.loads.iter().map(|_| Vec::new()).collect();
        while !self.loads.is_empty() {
            for (all, sample) in looks.iter_mut().zip(self.sample()) {
                all.push(sample);
            }
            over.pause(WATCH_INTERVAL);
            if over.is_set() {
                break;
            }
        }
        looks
    }

    /// Takes in a step with the looks `during` it, and proves the loads for the step before: with the first look of this
    /// one, there is one from before that step, those during it, and one from after it.
    pub fn prove(
        &mut self,
        during: Result<Vec<Vec<Samples>>>,
        reports: &[(Leg, LegReport)],
        journal: &mut Journal<'_>,
    ) {
        let looks: Vec<Vec<Samples>> =
            during.unwrap_or_else(|failure| self.loads.iter().map(|_| vec![Err(failure.clone())]).collect());
        self.prove_open(looks.iter().map(|looks| looks.first().cloned()).collect(), journal);
        self.open = Some(Open { legs: reports.iter().map(|(leg, _)| *leg).collect(), looks });
        if let Some(boots) = &self.boots {
            let boots = boots.boots();
            for (leg, report) in reports.iter().filter(|(_, report)| report.error.is_none()) {
                let guest = &self.fleet.guests[leg.guest].name;
                journal.prove(Some(guest), Some(leg), booting::others(&boots, report));
            }
        }
    }

    /// Proves the loads for the step before, up to a look `after` it, where there is one.
    fn prove_open(&mut self, after: Vec<Option<Samples>>, journal: &mut Journal<'_>) {
        let Some(Open { legs, looks }) = self.open.take() else { return };
        for (index, (mut looks, after)) in looks.into_iter().zip(after).enumerate() {
            looks.extend(after);
            let loads = &self.loads[index];
            let place = loads.place();
            // A load in a guest belongs to that guest's own move, one on a host to all of the step.
            let leg = legs
                .iter()
                .find(|leg| place.guest().is_none_or(|guest| self.fleet.guests[leg.guest].name == guest));
            self.last[index] = prove_place(loads, &self.last[index], &looks, leg, journal);
        }
    }

    /// Proves everything when the moves are over: loads, and that all load guests came up.
    pub fn prove_at_the_end(&mut self, journal: &mut Journal<'_>) {
        // After a finding it would only be said again, of a guest that is dead with a wait for its answer.
        let after = if journal.has_damage() {
            vec![None; self.loads.len()]
        } else {
            self.sample().into_iter().map(Some).collect()
        };
        self.prove_open(after, journal);
        if let Some(boots) = &mut self.boots {
            journal.enter(Phase::Loading);
            let boots = boots.finish();
            journal.enter(Phase::Proving);
            for (guest, proof) in booting::all_up(&boots) {
                journal.prove(Some(&guest), None, proof);
            }
        }
    }

    /// Ends everything, everywhere at once; one that cannot be ended does not keep the others. Guests that are `silent`
    /// are not asked: before the next scenario they are renewed, or their loads found by the mark.
    pub fn stop(self, silent: &BTreeSet<String>) -> Result<()> {
        let (lost, ending): (Vec<Loads>, Vec<Loads>) = self
            .loads
            .into_iter()
            .partition(|loads| loads.place().guest().is_some_and(|guest| silent.contains(guest)));
        lost.into_iter().for_each(Loads::forget);
        let stopped = at_once("stop a load", ending, Loads::close).into_iter().fold(Ok(()), Result::and);
        stopped.and(self.boots.map_or(Ok(()), BootLoad::close))
    }
}

/// Proves the loads of one machine from how they looked last and in every look since; returns the latest look.
fn prove_place(
    loads: &Loads,
    last: &Samples,
    looks: &[Samples],
    leg: Option<&Leg>,
    journal: &mut Journal<'_>,
) -> Samples {
    let known: Result<Vec<&Vec<Sample>>> =
        std::iter::once(last).chain(looks).map(|look| look.as_ref().map_err(Clone::clone)).collect();
    let place = loads.place();
    for (number, load) in loads.loads.iter().enumerate() {
        let proof = match &known {
            Ok(looks) => {
                let samples: Vec<&Sample> = looks.iter().map(|look| &look[number]).collect();
                with_last_words(load::check(place.name(), load, &samples), loads)
            }
            Err(failure) => load::unknown(place.name(), load, &failure.to_string()),
        };
        journal.prove(place.guest(), leg, proof);
    }
    looks.last().unwrap_or(last).clone()
}

/// A load that is not as it should be may have said why.
fn with_last_words(mut proof: Proof, loads: &Loads) -> Proof {
    if !proof.ok {
        let words = loads.last_words();
        if !words.is_empty() {
            proof.seen.push_str(&format!("\nit said: {words}"));
        }
    }
    proof
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
