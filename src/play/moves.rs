//! The moves of a scenario: all moves of a step at the same time, each by the scenario and the profile.

use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::guest::Fleet;
use crate::migration::{LegReport, Move, OnProgress, Pace, migrate, transport};
use crate::plan::{self, Leg, Seed, Step};
use crate::scenario::Scenario;
use crate::sys::parallel::{Barrier, at_once};

/// Callback for the end of a move, in the thread of that move.
pub type OnLeg<'a> = dyn Fn(&Leg, LegReport) + Sync + 'a;

/// The steps of a scenario for a fleet of this size.
pub fn steps(scenario: &Scenario, fleet: &Fleet, seed: Seed) -> Result<Vec<Step>> {
    let moving = plan::PlanInput { guests: fleet.guests.len(), rounds: fleet.profile.rounds, seed };
    scenario.order.steps(&moving).map_err(|why| {
        Failure::new(format!("plan {}", scenario.name()), why).try_next("raise MULTIVM_GUESTS")
    })
}

/// Why this stack cannot migrate as the scenario asks, by its versions; none if it can.
pub fn refusal(scenario: &Scenario, fleet: &Fleet) -> Option<String> {
    let stacks = fleet.hosts.both().map(|host| transport::Stack {
        name: &host.entry.name,
        libvirt: host.libvirt,
        qemu: host.qemu,
    });
    transport::refusal(scenario, &stacks)
}

/// How long a move may take to get ready.
const BARRIER_LIMIT: Duration = Duration::from_secs(60);

/// Moves the guests of a step, all at once. Each move reports progress to `hear` and its end to `over`, in its own thread;
/// by then the guest knows its new side.
pub fn play(
    scenario: &Scenario,
    fleet: &Fleet,
    step: &Step,
    pace: Pace,
    hear: &OnProgress<'_>,
    over: &OnLeg<'_>,
) {
    let receives = |side| step.legs.iter().any(|leg| leg.to() == side);
    let _gates = match fleet.hosts.open_gates(receives) {
        Ok(gates) => gates,
        Err(failure) => {
            return step.legs.iter().for_each(|leg| over(leg, LegReport::not_begun(failure.clone())));
        }
    };
    // No move starts before all are ready, so that they really start at once.
    let barrier = Barrier::new(step.legs.len());
    let moved = at_once("migrate a guest", &step.legs, |leg| {
        let guest = &fleet.guests[leg.guest];
        let plan = Move::of(scenario, &fleet.profile, pace, leg.from(), leg.to());
        let ready = || barrier.pass(BARRIER_LIMIT);
        let report = migrate(guest, &fleet.hosts, &plan, ready, hear, fleet.stop_flag());
        if report.completed {
            guest.moved_to(leg.to());
        }
        over(leg, report);
        Ok(())
    });
    for (leg, moved) in step.legs.iter().zip(moved) {
        if let Err(failure) = moved {
            over(leg, LegReport::not_begun(failure));
        }
    }
}
