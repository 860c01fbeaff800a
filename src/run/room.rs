//! Checks before a run touches anything that hosts and machine have room for the guests of every scenario.

use std::collections::HashSet;

use crate::doctor;
use crate::failure::Problem;
use crate::guest::{Need, Supply, WantedFleet};
use crate::scenario::{Profile, Scenario, ScenarioFile};
use crate::stand::{Session, Settings};

/// Checks that the guests fit on hosts that the run has yet to raise, and their images on this machine's disk.
///
/// # Errors
///
/// They do not fit. The message has the arithmetic, and the number of guests that fit.
pub(super) fn is_there(
    scenarios: &[Scenario],
    file: &ScenarioFile,
    profile: &Profile,
    settings: &Settings,
) -> Result<(), Problem> {
    fits(scenarios, file, profile, |profile| doctor::supply(settings, profile))?;
    let sizes: Vec<Profile> = scenarios.iter().map(|scenario| file.profile_of(scenario, profile)).collect();
    let catalogue = settings.catalogue.as_ref();
    let mut refusals =
        sizes.iter().filter_map(|profile| doctor::refusal_for_images(WantedFleet { profile, catalogue }));
    refusals.next().map_or(Ok(()), |refusal| Err(Problem::input(refusal)))
}

/// Checks that the guests fit on hosts that an earlier command left up.
///
/// # Errors
///
/// The guests do not fit. The message has the arithmetic, and the number of guests that fit.
pub(super) fn stands(
    scenarios: &[Scenario],
    file: &ScenarioFile,
    profile: &Profile,
    session: &Session,
) -> Result<(), Problem> {
    let Some(hosts) = session.inventory() else { return Ok(()) };
    let host = hosts.source.memory.min(hosts.target.memory);
    fits(scenarios, file, profile, |_| Supply { host, machine: None })
}

fn fits(
    scenarios: &[Scenario],
    file: &ScenarioFile,
    profile: &Profile,
    supply: impl Fn(&Profile) -> Supply,
) -> Result<(), Problem> {
    // Only a few of hundreds of scenarios differ in their needs.
    let mut asked = HashSet::new();
    let needs = |one: &Scenario| (one.sizing, one.order, one.location.in_guests(), one.workload);
    for scenario in scenarios.iter().filter(|scenario| asked.insert(needs(scenario))) {
        let sized = file.profile_of(scenario, profile);
        let refusal = Need::of(scenario, &sized).refusal(&scenario.name(), &supply);
        refusal.map_or(Ok(()), |refusal| Err(Problem::input(refusal)))?;
    }
    Ok(())
}
