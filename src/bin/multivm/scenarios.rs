//! `multivm scenarios` and `multivm explain`: list scenarios, and explain what one does. Neither starts anything.

use std::path::{Path, PathBuf};

use multivm::explain;
use multivm::inventory::catalogue::{CATALOGUE_VARIABLE, Catalogue, MasterFiles};
use multivm::plan::{SEED_VARIABLE, Seed};
use multivm::scenario::{
    Profile, RunIgnored, SHARD_VARIABLE, SIZING_VARIABLE, Scenario, ScenarioFile, Selection, Set, Shard,
    Wish, locate, sizing_switch,
};
use multivm::sys::words::counted;

use crate::problem::{Answer, Problem};
use multivm::sys::terminal;

/// Which file is read, and with which profile.
#[derive(clap::Args)]
pub struct ProfileChoice {
    /// Scenario file [default: the one MULTIVM_SCENARIOS names, or the package's own scenarios.toml]
    #[arg(long, alias = "scenarios", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Profile of sizes, counts and times; MULTIVM_ variables override its values
    #[arg(long, value_name = "NAME", env = "MULTIVM_PROFILE", default_value = "lab")]
    profile: String,
    /// Guests one by one, and their images, in place of equal ones; fixtures/guests.toml is an example with every key
    #[arg(long, value_name = "FILE", env = CATALOGUE_VARIABLE)]
    catalogue: Option<PathBuf>,
}

impl ProfileChoice {
    /// Reads the file and the profile, with the environment's overrides.
    pub fn read(&self) -> Result<(ScenarioFile, Profile), Problem> {
        self.read_with(self.catalogue(None)?.as_ref())
    }

    /// Reads the file and the profile, for the guests of a catalogue.
    pub fn read_with(&self, catalogue: Option<&Catalogue>) -> Result<(ScenarioFile, Profile), Problem> {
        let variable = |name: &str| std::env::var(name).ok();
        let file = ScenarioFile::load(&locate(self.file.as_deref(), variable))?;
        let profile = file.profile(&self.profile)?.clone().override_from(variable)?;
        Ok((file, profile.with_guests_of(catalogue, variable)?))
    }

    /// Reads the catalogue that is named, or the one at `otherwise`; none if there is none.
    pub fn catalogue(&self, otherwise: Option<&Path>) -> Result<Option<Catalogue>, Problem> {
        Ok(Catalogue::wanted(self.catalogue.as_deref(), otherwise, |name| std::env::var(name).ok())?)
    }

    /// Reads the catalogue that is named, whose masters may be on another machine; none if there is none.
    fn described(&self) -> Result<Option<Catalogue>, Problem> {
        let path = self.catalogue.as_deref();
        let variable = |name: &str| std::env::var(name).ok();
        Ok(Catalogue::wanted_with(path, None, MasterFiles::Elsewhere, variable)?)
    }
}

#[derive(clap::Args)]
pub struct List {
    /// Only scenarios whose name contains one of these
    #[arg(value_name = "FILTER", conflicts_with = "explain")]
    filters: Vec<String>,
    /// Only scenarios of this set
    #[arg(long, value_name = "NAME", env = "MULTIVM_SET")]
    set: Option<String>,
    /// Every scenario with every size of guests
    #[arg(long, env = SIZING_VARIABLE, value_parser = sizing_switch)]
    sizing: bool,
    /// Leave out scenarios whose name contains this; may be given again
    #[arg(long, value_name = "FILTER", conflicts_with = "explain")]
    skip: Vec<String>,
    /// Filters are whole names
    #[arg(long, conflicts_with = "explain")]
    exact: bool,
    /// Only one part of the selection, as `--shard` of the test target picks it
    #[arg(long, env = SHARD_VARIABLE, value_name = "PART/PARTS", default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// Only the cases that are ignored unless somebody asks for them
    #[arg(long, conflicts_with = "explain")]
    ignored: bool,
    /// Also the cases that are ignored unless somebody asks for them
    #[arg(long, conflicts_with = "explain")]
    include_ignored: bool,
    /// List the sets instead
    #[arg(long, conflicts_with_all = ["filters", "skip", "exact", "explain"])]
    sets: bool,
    /// Explain the scenario of this name step by step instead
    #[arg(long, value_name = "NAME")]
    explain: Option<String>,
    #[command(flatten)]
    profile: ProfileChoice,
}

#[derive(clap::Args)]
pub struct Explain {
    /// Whole name of a scenario
    name: String,
    #[command(flatten)]
    profile: ProfileChoice,
}

/// Prints the names on standard output, one a line, and their number on standard error.
pub fn list(arguments: &List) -> Answer {
    if let Some(name) = &arguments.explain {
        return tell(name, &arguments.profile);
    }
    let (mut file, _) = arguments.profile.read()?;
    if arguments.sizing {
        file = file.sized()?;
    }
    // An empty variable counts as not set, as everywhere.
    let set = arguments.set.as_deref().filter(|name| !name.is_empty()).unwrap_or(Set::ALL);
    let set = file.set(set)?;
    if arguments.sets {
        return crate::say(&file.describe_sets(set));
    }
    let selection = Selection {
        filters: arguments.filters.clone(),
        skip: arguments.skip.clone(),
        exact: arguments.exact,
    };
    let asked = RunIgnored::by_flags(arguments.ignored, arguments.include_ignored);
    let chosen = file.choose_some(Wish { set, selection: &selection, asked, shard: arguments.shard })?;
    let left_out = if asked == RunIgnored::No { chosen.ignored.len() } else { 0 };
    let chosen: Vec<Scenario> = chosen.asked_for(asked).collect();
    let text: String = chosen.iter().map(|scenario| format!("{scenario}\n")).collect();
    let answer = crate::say(&text)?;
    let beside = if left_out == 0 { String::new() } else { format!(", {left_out} more ignored (--ignored)") };
    terminal::say(&format!("{}{beside}", counted(chosen.len(), "scenario", "scenarios")));
    Ok(answer)
}

pub fn explain(arguments: &Explain) -> Answer {
    tell(&arguments.name, &arguments.profile)
}

fn tell(name: &str, choice: &ProfileChoice) -> Answer {
    let (file, profile) = choice.read_with(choice.described()?.as_ref())?;
    let scenario = file.named(name)?;
    let seed = match std::env::var(SEED_VARIABLE) {
        Ok(text) if !text.is_empty() => text.parse().map_err(Problem::input)?,
        _ => Seed::chosen(),
    };
    let mut lines = explain::explain(&scenario, &file.profile_of(&scenario, &profile), seed);
    let ignored = file.ignored_because(&scenario);
    lines.extend(ignored.map(|reason| format!("Ignored unless it is asked for (--ignored): {reason}")));
    lines.extend(explain::settings(&scenario, &file));
    crate::say(&(lines.join("\n") + "\n"))
}
