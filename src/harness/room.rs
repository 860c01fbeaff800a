//! Whether hosts and machine have room for the guests of every scenario that is to be played, asked before anything is touched.

use std::collections::HashSet;

use super::plan::Plan;
use crate::doctor;
use crate::failure::Problem;
use crate::guest::{Need, Supply};
use crate::scenario::{Profile, Scenario, ScenarioFile};
use crate::stand::Session;
use crate::stand::lab::Settings;

/// Whether the guests fit on hosts that are still to be raised.
///
/// # Errors
/// They do not; the message has the arithmetic, and how many guests fit.
pub(super) fn is_there(
    scenarios: &[Scenario],
    file: &ScenarioFile,
    profile: &Profile,
    settings: &Settings,
) -> Result<(), Problem> {
    fits(scenarios, file, profile, |profile| doctor::supply(settings, profile))
}

/// Whether the guests fit on hosts that an earlier command left up.
///
/// # Errors
/// They do not; the message has the arithmetic, and how many guests fit.
pub(super) fn stands(plan: &Plan, session: &Session) -> Result<(), Problem> {
    let Some(hosts) = session.inventory() else { return Ok(()) };
    let host = hosts.source.memory.min(hosts.target.memory);
    fits(&plan.scenarios, &plan.file, &plan.profile, |_| Supply { host, machine: None })
}

fn fits(
    scenarios: &[Scenario],
    file: &ScenarioFile,
    profile: &Profile,
    supply: impl Fn(&Profile) -> Supply,
) -> Result<(), Problem> {
    // Of hundreds of scenarios only a few differ in what they need.
    let mut asked = HashSet::new();
    let needs = |one: &Scenario| (one.sizing, one.order, one.location.in_guests(), one.workload);
    for scenario in scenarios.iter().filter(|scenario| asked.insert(needs(scenario))) {
        let sized = file.profile_of(scenario, profile);
        let refusal = Need::of(scenario, &sized).refusal(&scenario.name(), &supply);
        refusal.map_or(Ok(()), |refusal| Err(Problem::input(refusal)))?;
    }
    Ok(())
}
