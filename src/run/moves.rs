//! The moves of a scenario: all of a step at the same time, each as the scenario and the profile say.

use std::thread;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::guest::Fleet;
use crate::migration::{Hear, LegReport, Move, migrate};
use crate::plan::{self, Leg, Step};
use crate::scenario::{Booting, Bytes, Mode, Scenario, Transport, Workload};
use crate::sys::parallel::{Gate, at_once, panic_text};
use crate::sys::wait::StopFlag;

/// The steps of a scenario for a fleet of this size.
pub fn steps(scenario: &Scenario, fleet: &Fleet) -> Result<Vec<Step>> {
    let moving = plan::Fleet { guests: fleet.guests.len(), rounds: fleet.profile.rounds, seed: 0 };
    scenario.order.steps(&moving).map_err(|why| {
        Failure::new(format!("plan {}", scenario.name()), why).try_next("raise MULTIVM_GUESTS")
    })
}

/// How long one may take to come to where it can begin.
const GATE_LIMIT: Duration = Duration::from_secs(60);

/// By how much slower a post-copy migration sends until its switch when its scenario is played again, because a guest was
/// across before the switch could be ordered: its passes then take longer than libvirt was late.
const SLOWER: u64 = 4;

/// Moves the guests of a step, all at once, and does something else `beside` from when they begin to move; it is to end
/// when the token says that all moves are over. `hear` is told of each move as it goes. Guests that are across are noted to
/// be. The scenario was played so often before, as in a context of a run.
pub fn play<T: Send>(
    scenario: &Scenario,
    fleet: &Fleet,
    step: &Step,
    played_before: u32,
    hear: &Hear<'_>,
    beside: impl FnOnce(&StopFlag) -> T + Send,
) -> (Vec<(Leg, LegReport)>, Result<T>) {
    // Nobody starts before everybody can: "at once" is meant. What is done beside waits with them.
    let gate = Gate::new(step.legs.len() + 1);
    let over = StopFlag::new();
    let (moved, beside) = thread::scope(|scope| {
        let beside = thread::Builder::new().name("beside the moves".into()).spawn_scoped(scope, || {
            gate.pass(GATE_LIMIT);
            beside(&over)
        });
        let moved = at_once("migrate a guest", &step.legs, |leg| {
            let guest = &fleet.guests[leg.guest];
            let ready = || gate.pass(GATE_LIMIT);
            Ok(migrate(
                guest,
                &fleet.hosts,
                &plan(scenario, fleet, leg, played_before),
                ready,
                hear,
                fleet.stop_flag(),
            ))
        });
        over.set();
        let failed = |cause: &str| Failure::new("look at the loads during the moves", cause);
        let beside = match beside {
            Ok(thread) => thread.join().map_err(|panic| failed(panic_text(&*panic))),
            Err(error) => Err(failed(&error.to_string())),
        };
        (moved, beside)
    });
    let report = |(leg, report): (&Leg, Result<LegReport>)| {
        let report = report.unwrap_or_else(LegReport::not_begun);
        if report.completed {
            fleet.guests[leg.guest].moved_to(leg.to());
        }
        (*leg, report)
    };
    (step.legs.iter().zip(moved).map(report).collect(), beside)
}

fn plan(scenario: &Scenario, fleet: &Fleet, leg: &Leg, played_before: u32) -> Move {
    let profile = &fleet.profile;
    let mib = |bytes: Bytes| bytes.0 >> 20;
    let before_switch = profile.bandwidth_before_switch(scenario.mode).map(mib);
    let booting = scenario.mode == Mode::Postcopy && boots_itself(scenario);
    // A guest that boots has no pattern yet that is rewritten as fast as the first pass sends it; it dirties some
    // tens of MiB a second on its own, and the first pass must be slower than that for a remainder to be left.
    let slower = if booting { 16 } else { 1 } * SLOWER.pow(played_before);
    Move {
        from: leg.from(),
        to: leg.to(),
        mode: scenario.mode,
        compressed: scenario.transport == Transport::Xbzrle,
        bandwidth_mib: before_switch.map(|mib| (mib / slower).max(1)),
        post_copy_bandwidth_mib: profile.bandwidth.filter(|_| scenario.mode == Mode::Postcopy).map(mib),
        downtime_limit: profile.downtime_limit,
        timeout: profile.migration_timeout(scenario.mode),
        at_timeout: profile.at_timeout,
    }
}

/// Whether the fleet itself boots while it migrates.
pub fn boots_itself(scenario: &Scenario) -> bool {
    scenario.workload == Workload::Boot(Booting::MigratedVms)
}
