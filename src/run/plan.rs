//! The plan of a run, checked before anything is touched.

use std::path::PathBuf;

use super::options::RunOptions;
use super::room;
use super::wanted::WantedHosts;
use crate::failure::Problem;
use crate::inventory::catalogue::Catalogue;
use crate::plan::Seed;
use crate::scenario::{Profile, RunIgnored, SIZING_VARIABLE, Scenario, ScenarioFile, Selection, Set, Wish};
use crate::stand::Settings;

/// The wishes of arguments and environment, checked.
pub struct Plan {
    pub file: ScenarioFile,
    /// The requested set.
    pub set: Set,
    /// The requested scenarios of the set. A scenario may have a size: [`ScenarioFile::profile_of`] gives its profile.
    pub scenarios: Vec<Scenario>,
    /// The chosen cases beyond the matrix, requested or not.
    pub ignored: Vec<Scenario>,
    /// The seed of all random choices.
    pub seed: Seed,
    pub profile: Profile,
    pub hosts: WantedHosts,
    pub settings: Settings,
    /// The folder for the folders of runs.
    pub results: PathBuf,
}

impl Plan {
    /// Makes the plan of a run with these options, of the scenarios that `selection` chooses and of those cases beyond the
    /// matrix that are `asked` for. A plan that somebody only `lists` needs no whole images, and no room for guests.
    pub fn read(
        options: &RunOptions,
        selection: &Selection,
        asked: RunIgnored,
        lists: bool,
    ) -> Result<Plan, Problem> {
        let get = |name: &str| std::env::var(name).ok();
        let path = crate::scenario::locate(options.scenarios.as_deref(), get);
        let file = ScenarioFile::load(&path)
            .and_then(|file| if options.sizing { file.sized() } else { Ok(file) })?;
        let set = file.set(&options.set)?.clone();
        let chosen = file.choose(Wish { set: &set, selection, asked, shard: options.shard });
        let scenarios: Vec<Scenario> = chosen.asked_for(asked).collect();
        let hosts = WantedHosts::read(options.inventory.as_deref(), options.pair.as_deref(), get)?;
        let catalogue = Catalogue::wanted(options.catalogue.as_deref(), hosts.catalogue(), get)?;
        let profile = file
            .profile(options.profile.as_deref().unwrap_or(hosts.profile()))
            .and_then(|profile| profile.clone().override_from(get))
            .and_then(|profile| profile.with_guests_of(catalogue.as_ref(), get))?;
        let file = file.with_lines_of(catalogue.as_ref());
        no_size_twice(options.sizing, catalogue.as_ref()).map_err(Problem::input)?;
        let settings = Settings::from_environment().and_then(|settings| settings.with(catalogue));
        let settings = settings.map_err(Problem::input)?;
        if let Some(catalogue) = settings.catalogue.as_ref().filter(|_| !lists) {
            catalogue.verify(&settings.store.cache)?;
        }
        hosts.allow(&settings).map_err(Problem::input)?;
        if !lists {
            let fleet = match &settings.catalogue {
                Some(catalogue) => format!("the guests of the catalogue {}", catalogue.name),
                None => format!("MULTIVM_GUESTS={}", profile.guests),
            };
            enough_guests(&scenarios, profile.guests, &fleet).map_err(Problem::input)?;
            if hosts.has_guests_here() {
                room::is_there(&scenarios, &file, &profile, &settings)?;
            }
            room::for_load_files(&scenarios, &file, &profile, &settings, hosts.has_guests_here())?;
        }
        Ok(Plan {
            file,
            set,
            scenarios,
            ignored: chosen.ignored,
            seed: options.seed.unwrap_or_else(Seed::chosen),
            profile,
            hosts,
            settings,
            results: options.results(),
        })
    }

    /// The scenarios in the order of play. A fleet has guests of one size, so the scenarios of one size follow each other,
    /// and each fleet is built once.
    pub fn in_order_of_play(&self) -> Vec<Scenario> {
        by_size(self.scenarios.clone())
    }

    /// The seed, if a scenario of this plan draws from it.
    pub fn seed_in_use(&self) -> Option<Seed> {
        self.scenarios.iter().any(|scenario| scenario.order.row().seeded).then_some(self.seed)
    }

    /// The cases that libtest lists as ignored and does not play.
    pub fn not_played(&self) -> Vec<Scenario> {
        self.ignored.iter().copied().filter(|case| !self.scenarios.contains(case)).collect()
    }

    /// The most memory that all guests of one scenario have together, in bytes. If the lab is shared with processes that
    /// play other scenarios, this counts every scenario of the set, otherwise only the requested ones.
    pub fn guests_memory(&self, shared: bool) -> u64 {
        let mut scenarios = self.scenarios.clone();
        if shared {
            scenarios.extend(self.file.members(&self.set));
            scenarios.extend(self.file.ignored_beside(&self.set));
        }
        let sized = scenarios.iter().map(|scenario| self.file.profile_of(scenario, &self.profile));
        sized.map(|profile| profile.guests_memory()).fold(self.profile.guests_memory(), u64::max)
    }
}

/// Refuses scenarios that set the size of guests whose size a catalogue sets.
fn no_size_twice(sizing: bool, catalogue: Option<&Catalogue>) -> Result<(), String> {
    let sized = |catalogue: &&Catalogue| {
        catalogue.guests().iter().any(|guest| guest.vcpus.is_some() || guest.memory_mib.is_some())
    };
    match catalogue.filter(sized) {
        Some(catalogue) if sizing => Err(format!(
            "the size of guests is said twice: {SIZING_VARIABLE}=1, and `vcpus` and `memory_mib` of the catalogue {}\n  \
             = help: allowed: one of them",
            catalogue.name
        )),
        _ => Ok(()),
    }
}

/// Refuses scenarios whose order has no moves for a fleet of that size.
fn enough_guests(scenarios: &[Scenario], guests: u32, fleet: &str) -> Result<(), String> {
    let guests = usize::try_from(guests).unwrap_or(usize::MAX);
    scenarios
        .iter()
        .try_for_each(|scenario| scenario.order.takes(guests))
        .map_err(|why| format!("cannot run this selection with {fleet}: {why}"))
}

fn by_size(mut scenarios: Vec<Scenario>) -> Vec<Scenario> {
    scenarios.sort_by_key(|scenario| scenario.sizing);
    scenarios
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_with_guests_of_one_size_follow_each_other() {
        let wanted = ["a::set_vcpu_1", "b::set_memory_1", "b::set_vcpu_1", "a::set_memory_1"]
            .map(|name| name.replace("a::", "precopy_cross::in_vms::stress_cpu::"))
            .map(|name| name.replace("b::", "postcopy_cross::in_vms::stress_cpu::"));
        let played = by_size(wanted.iter().map(|name| name.parse().unwrap()).collect());
        let names: Vec<String> = played.iter().map(Scenario::name).collect();
        assert_eq!(names, [&wanted[0], &wanted[2], &wanted[1], &wanted[3]].map(String::clone));
    }
}
