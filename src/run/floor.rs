//! The floor: the same migrations under the same load by libvirt calls alone, with no proof, probe, watch or sample
//! beside them. What a scenario takes above it is what multivm costs.

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

/// Plays the moves of a scenario on a fleet that is whole, and returns how long all of them took together. Starting and
/// ending loads is not in it. Guests that boot themselves have no floor: their boots are in between.
pub fn floor(scenario: &Scenario, fleet: &Fleet, seed: Seed) -> Result<Option<Duration>> {
    if scenario.boots_itself() {
        return Ok(None);
    }
    let pace = |mode| {
        at_once("pace a witness", &fleet.guests, |guest| fleet.pace_witness(guest, mode))
            .into_iter()
            .collect::<Result<()>>()
    };
    // Its writing belongs to the migration: without it post-copy has nothing to fetch.
    pace(Some(scenario.mode))?;
    let limit = fleet.answer_limit();
    let [source, target] = fleet.hosts.both().map(|host| host.agent.observe(limit));
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
