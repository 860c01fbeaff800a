//! The plan of a run, checked before anything is touched.

use std::path::PathBuf;

use super::args::Request;
use super::room;
use super::wanted::WantedHosts;
use crate::failure::Problem;
use crate::inventory::catalogue::Catalogue;
use crate::plan::Seed;
use crate::scenario::{Profile, SIZING_VARIABLE, Scenario, ScenarioFile, Set};
use crate::stand::lab::Settings;

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
    pub fn read(request: &Request) -> Result<Plan, Problem> {
        let options = &request.options;
        let get = |name: &str| std::env::var(name).ok();
        let path = crate::scenario::locate(options.scenarios.as_deref(), get);
        let file = ScenarioFile::load(&path)
            .and_then(|file| if options.sizing { file.sized() } else { Ok(file) })?;
        let set = file.set(&options.set)?.clone();
        let chosen = file.choose(request.wish(&set));
        let scenarios: Vec<Scenario> = chosen.asked_for(request.asked()).collect();
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
        if let Some(catalogue) = settings.catalogue.as_ref().filter(|_| !options.libtest.list) {
            catalogue.verify(&settings.store.cache)?;
        }
        hosts.allow(&settings).map_err(Problem::input)?;
        if !options.libtest.list {
            let fleet = match &settings.catalogue {
                Some(catalogue) => format!("the guests of the catalogue {}", catalogue.name),
                None => format!("MULTIVM_GUESTS={}", profile.guests),
            };
            enough_guests(&scenarios, profile.guests, &fleet).map_err(Problem::input)?;
            if hosts.has_guests_here() {
                room::is_there(&scenarios, &file, &profile, &settings)?;
            }
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
    use std::path::Path;

    use rstest::{fixture, rstest};

    use super::super::args;
    use super::*;

    /// The package's own file with four cases beyond the matrix and two sets, one of which names some of them.
    #[fixture]
    fn folder() -> tempfile::TempDir {
        let beyond = r#"
[[ignored]]
cases = { transport = ["xbzrle"], order = ["cross"], where = ["in_vms"], what = ["stress_cpu", "stress_memory"] }
reason = "a test"

[set.crossing]
description = "a test"
filters = ["precopy_cross::in_vms::stress_cpu", "stress_memory::xbzrle"]
"#;
        let folder = tempfile::tempdir().unwrap();
        let package = include_str!("../../scenarios.toml").replace(r#"["plain", "xbzrle"]"#, r#"["plain"]"#);
        // Without the constraint and the set about the value that is now beyond the axis.
        let package = without(package, "[[constraint]]\nwhen = { transport");
        let package = without(package, "[set.ci]");
        // This does not count the file's own cases beyond the matrix.
        let mut blocks = package.split("\n[[ignored]]\n");
        let before = blocks.next().unwrap().to_owned();
        let rest = blocks.map(|block| block.split_once("\n\n").map_or("", |(_, rest)| rest));
        let text = rest.fold(before, |text, rest| text + "\n" + rest) + beyond;
        std::fs::write(folder.path().join("own.toml"), text).unwrap();
        folder
    }

    /// The file without the paragraph that begins with a given text.
    fn without(file: String, begins: &str) -> String {
        let start = file.find(begins).unwrap();
        let end = start + file[start..].find("\n\n").unwrap();
        file[..start].to_owned() + &file[end..]
    }

    /// The request of these arguments. Options that are not among them have their defaults, even if this test's environment
    /// sets them, like that of a whole `cargo test`.
    fn request(file: &Path, arguments: &[&str]) -> Request {
        let mut all = vec!["migration", "--scenarios", file.to_str().unwrap()];
        for default in [["--set", Set::ALL], ["--shard", "1/1"], ["--profile", "lab"]] {
            if !arguments.contains(&default[0]) {
                all.extend(default);
            }
        }
        all.extend(arguments);
        args::parse(all.into_iter().map(str::to_owned)).unwrap()
    }

    /// Number of played scenarios, and of ignored ones, for these arguments.
    #[rstest]
    #[case::nothing(&[], None, 2)]
    #[case::ignored(&["--ignored"], Some(4), 0)]
    #[case::both(&["--include-ignored", "precopy_cross::in_vms"], Some(4 + 2), 0)]
    #[case::one_of_them(&["--ignored", "stress_cpu::xbzrle"], Some(2), 0)]
    #[case::named_in_full(&["--ignored", "--exact", "precopy_cross::in_vms::stress_cpu::xbzrle"], Some(1), 0)]
    #[case::named_but_not_asked_for(&["--exact", "precopy_cross::in_vms::stress_cpu::xbzrle"], Some(0), 1)]
    #[case::a_set_that_names_them(&["--set", "crossing"], Some(1 + 2), 0)]
    #[case::a_part(&["--ignored", "--shard", "1/4"], Some(1), 0)]
    fn cases_beyond_the_matrix_are_played_when_they_are_asked_for(
        folder: tempfile::TempDir,
        #[case] arguments: &[&str],
        #[case] played: Option<usize>,
        #[case] at_least_ignored: usize,
    ) {
        let file = folder.path().join("own.toml");
        let request = request(&file, arguments);
        let plan = Plan::read(&request).unwrap();
        let own = |scenario: &&Scenario| scenario.name().contains("cross::in_vms::");
        let count = plan.scenarios.iter().filter(|one| plan.scenarios.len() < 50 || own(one)).count();
        match played {
            Some(played) => assert_eq!(count, played, "{:?}", plan.scenarios),
            None => assert_eq!(plan.scenarios, plan.file.scenarios()),
        }
        let ignored = plan.not_played();
        assert!(ignored.len() >= at_least_ignored);
        assert!(ignored.iter().all(|case| plan.file.ignored_because(case).is_some()));
        assert!(at_least_ignored > 0 || ignored.iter().all(|case| !own(&case)));
    }

    /// A case's part does not depend on the flags: nextest lists with `--ignored` and without.
    #[rstest]
    fn the_parts_have_every_case_once(folder: tempfile::TempDir) {
        let file = folder.path().join("own.toml");
        let names = |flag: &str, part: usize| -> Vec<String> {
            let shard = format!("{part}/3");
            let plan = Plan::read(&request(&file, &[flag, "--shard", &shard])).unwrap();
            plan.scenarios.iter().map(Scenario::name).collect()
        };
        let mut all = Vec::new();
        for part in 1..=3 {
            let both = names("--include-ignored", part);
            assert!(names("--ignored", part).iter().all(|name| both.contains(name)));
            all.extend(both);
        }
        let file = ScenarioFile::load(&file).unwrap();
        let mut wanted: Vec<String> =
            file.scenarios().iter().chain(&file.ignored()).map(Scenario::name).collect();
        all.sort();
        wanted.sort();
        assert_eq!(all, wanted);
    }

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
