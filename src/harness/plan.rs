//! What is to be run, with what, checked before anything is touched.

use std::path::PathBuf;

use super::args::Request;
use crate::failure::Problem;
use crate::record::RunFolder;
use crate::scenario::{Profile, Scenario, ScenarioFile, Set};
use crate::stand::lab::Settings;

/// What the arguments and the environment ask for, checked.
pub struct Plan {
    pub file: ScenarioFile,
    /// The set that is asked for.
    pub set: Set,
    /// What is asked for of it. A scenario may have a size: [`ScenarioFile::profile_of`] gives the profile for it.
    pub scenarios: Vec<Scenario>,
    pub profile: Profile,
    pub settings: Settings,
    /// Where the folders of runs go.
    pub results: PathBuf,
}

impl Plan {
    pub fn read(request: &Request) -> Result<Plan, Problem> {
        let options = &request.options;
        let get = |name: &str| std::env::var(name).ok();
        let path = crate::scenario::locate(options.scenarios.as_deref(), get);
        let file = ScenarioFile::load(&path)
            .and_then(|file| if options.sizing { file.sized() } else { Ok(file) })?;
        let set = file.set(&options.set)?.clone();
        let scenarios: Vec<Scenario> = file
            .members(&set)
            .into_iter()
            .filter(|scenario| request.selection.matches(&scenario.name()))
            .collect();
        let scenarios = request.part_of(scenarios);
        let profile =
            file.profile(&options.profile).and_then(|profile| profile.clone().override_from(get))?;
        let settings = Settings::from_environment().map_err(Problem::input)?;
        if !options.libtest.list {
            enough_guests(&scenarios, profile.guests).map_err(Problem::input)?;
        }
        let results = options.results.clone().unwrap_or_else(RunFolder::default_root);
        Ok(Plan { file, set, scenarios, profile, settings, results })
    }

    /// The scenarios in the order in which they are played: a fleet has guests of one size, so those of a size follow each
    /// other, and each fleet is built once.
    pub fn in_order_of_play(&self) -> Vec<Scenario> {
        by_size(self.scenarios.clone())
    }

    /// The most memory that all guests of a scenario have together, bytes: of what is asked for, or, if the lab is shared with
    /// processes that are asked for other scenarios, of any in the set.
    pub fn guests_memory(&self, shared: bool) -> u64 {
        let scenarios = if shared { self.file.members(&self.set) } else { self.scenarios.clone() };
        let sized = scenarios.iter().map(|scenario| self.file.profile_of(scenario, &self.profile));
        sized.map(|profile| profile.guests_memory()).fold(self.profile.guests_memory(), u64::max)
    }
}

/// Whether a fleet of that size has moves in the order of every scenario.
fn enough_guests(scenarios: &[Scenario], guests: u32) -> Result<(), String> {
    let guests = usize::try_from(guests).unwrap_or(usize::MAX);
    scenarios
        .iter()
        .try_for_each(|scenario| scenario.order.takes(guests))
        .map_err(|why| format!("cannot run this selection with MULTIVM_GUESTS={guests}: {why}"))
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
