//! Checks before a run touches anything that hosts and machine have room for the guests of every scenario, and for the files of its load.

use std::collections::HashSet;

use crate::doctor;
use crate::failure::Problem;
use crate::guest::{LoadFiles, Need, StorageRoom, Supply, WantedFleet};
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

/// Checks that the files of every scenario's load fit on the disks of guests, and on the storage where it is on this machine.
///
/// # Errors
///
/// They do not fit. The message has the arithmetic.
pub(super) fn for_load_files(
    scenarios: &[Scenario],
    file: &ScenarioFile,
    profile: &Profile,
    settings: &Settings,
    has_storage_here: bool,
) -> Result<(), Problem> {
    files_fit(scenarios, file, profile, settings, |fleet| {
        has_storage_here.then(|| doctor::storage_room(fleet)).flatten()
    })
}

fn files_fit(
    scenarios: &[Scenario],
    file: &ScenarioFile,
    profile: &Profile,
    settings: &Settings,
    storage: impl Fn(WantedFleet<'_>) -> Option<StorageRoom>,
) -> Result<(), Problem> {
    let mut asked = HashSet::new();
    let needs = |one: &Scenario| (one.sizing, one.location, one.workload);
    for scenario in scenarios.iter().filter(|scenario| asked.insert(needs(scenario))) {
        let sized = file.profile_of(scenario, profile);
        let fleet = WantedFleet { profile: &sized, catalogue: settings.catalogue.as_ref() };
        let cpu_percent = settings.host_size(sized.guests_memory()).cpu_percent;
        let files = LoadFiles::of(scenario, &sized, cpu_percent);
        let refusal = files.refusal(&scenario.name(), fleet.smallest_disk(), storage(fleet).as_ref());
        refusal.map_or(Ok(()), |refusal| Err(Problem::input(refusal)))?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Bytes, locate};

    /// The answer to these scenarios, with files of so many MiB in guests and so many MiB free on the storage.
    fn answer(names: &[&str], mib: u64, free: u64) -> Result<(), String> {
        let file = ScenarioFile::load(&locate(None, |_| None)).unwrap();
        let settings = Settings::from_environment().unwrap();
        let profile = Profile { memory_bytes: Bytes(mib << 20), ..file.profile("lab").unwrap().clone() };
        let scenarios: Vec<Scenario> = names.iter().map(|name| name.parse().unwrap()).collect();
        let storage = |_: WantedFleet<'_>| {
            Some(StorageRoom { place: "/state".into(), free: free << 20, images: 256 << 20 })
        };
        files_fit(&scenarios, &file, &profile, &settings, storage).map_err(|problem| match problem {
            Problem::Input(text) => text,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_files_of_every_scenarios_load_must_fit() {
        let [memory, io, on_hosts] =
            ["in_vms::stress_memory", "in_vms::stress_io", "on_source::stress_io_half"]
                .map(|load| format!("precopy_orderly::{load}"));
        assert_eq!(answer(&[&memory], 100 << 10, 0), Ok(()));
        assert_eq!(answer(&[&memory, &io], 200, 64 << 10), Ok(()));
        let refused = answer(&[&memory, &io], 100 << 10, 64 << 20).unwrap_err();
        let expected =
            format!("the files of the load of {io}\n  = note: in a guest: 1 worker x 100GiB = 102400 MiB;");
        assert!(refused.contains(&expected), "{refused}");
        let refused = answer(&[&on_hosts], 32, 300).unwrap_err();
        assert!(refused.contains("/state: images of 256 MiB at least + 1 host x "), "{refused}");
    }
}
