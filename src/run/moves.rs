//! The moves of a scenario: all of a step at the same time, each as the scenario and the profile say.

use std::thread;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::guest::Fleet;
use crate::migration::{Hear, LegReport, Move, Pace, migrate, transport};
use crate::plan::{self, Leg, Step};
use crate::scenario::{Booting, Scenario, Workload};
use crate::sys::parallel::{Gate, at_once, panic_text};
use crate::sys::wait::StopFlag;

/// The steps of a scenario for a fleet of this size.
pub fn steps(scenario: &Scenario, fleet: &Fleet) -> Result<Vec<Step>> {
    let moving = plan::Fleet { guests: fleet.guests.len(), rounds: fleet.profile.rounds, seed: 0 };
    scenario.order.steps(&moving).map_err(|why| {
        Failure::new(format!("plan {}", scenario.name()), why).try_next("raise MULTIVM_GUESTS")
    })
}

/// Why this stack cannot migrate as the scenario asks; none if it can, as far as its versions tell.
pub fn refusal(scenario: &Scenario, fleet: &Fleet) -> Option<String> {
    let stacks = fleet.hosts.both().map(|host| transport::Stack {
        name: &host.entry.name,
        libvirt: host.libvirt,
        qemu: host.qemu,
    });
    transport::refusal(scenario, &stacks)
}

/// How long one may take to come to where it can begin.
const GATE_LIMIT: Duration = Duration::from_secs(60);

/// Moves the guests of a step, all at once, and does something else `beside` from when they begin to move; it is to end
/// when the token says that all moves are over. `hear` is told of each move as it goes. Guests that are across are noted to
/// be.
pub fn play<T: Send>(
    scenario: &Scenario,
    fleet: &Fleet,
    step: &Step,
    pace: Pace,
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
                &Move::of(scenario, &fleet.profile, pace, leg.from(), leg.to()),
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

/// Whether the fleet itself boots while it migrates.
pub fn boots_itself(scenario: &Scenario) -> bool {
    scenario.workload == Workload::Boot(Booting::MigratedVms)
}
