//! The floor: a scenario's migrations under its load alone. Each is watched as always, by libvirt's events and its job's statistics,
//! and has no proof, probe or look beside it, and no record. A scenario's time above its floor is the cost of those.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::machines::Machines;
use super::moves;
use crate::failure::{Failure, Result};
use crate::guest::Fleet;
use crate::load::ActiveLoad;
use crate::migration::Pace;
use crate::plan::Seed;
use crate::scenario::Scenario;
use crate::sys::parallel::at_once;

/// Makes the moves of a scenario on a whole fleet, and returns the sum of their times. The sum leaves out the start and the
/// end of loads. Guests that boot themselves have no floor, because their boots lie between the moves.
pub fn floor(scenario: &Scenario, fleet: &Fleet, seed: Seed) -> Result<Option<Duration>> {
    if scenario.boots_itself() {
        return Ok(None);
    }
    let pace = |mode| {
        at_once("pace a witness", &fleet.guests, |guest| fleet.pace_witness(guest, mode))
            .into_iter()
            .collect::<Result<()>>()
    };
    // The witness's writes belong to the migration: without them post-copy has nothing to fetch.
    pace(Some(scenario.mode))?;
    let limit = fleet.answer_limit();
    let [source, target] = fleet.hosts.both().map(|host| host.agent.glance(limit));
    let load = ActiveLoad::start(scenario, fleet, &[source?, target?])?;
    load.stop_watching();
    let mut moving = Duration::ZERO;
    for step in moves::steps(scenario, fleet, seed)? {
        let begin = Instant::now();
        let error = fleet.play_unheard(scenario, &step, Pace::default());
        moving += begin.elapsed();
        if let Some(error) = error {
            return Err(Failure::new(format!("measure the floor of {}", scenario.name()), error));
        }
    }
    load.close(&BTreeSet::new())?;
    pace(None)?;
    Ok(Some(moving))
}
