//! The options of a run: those of multivm's own on the command line of its test target.

use std::path::PathBuf;

use clap::Args;

use crate::inventory::catalogue::CATALOGUE_VARIABLE;
use crate::plan::{SEED_VARIABLE, Seed};
use crate::record::RunFolder;
use crate::scenario::{SHARD_VARIABLE, SIZING_VARIABLE, Shard, sizing_switch};

/// Options of a run. Each has an environment twin, because `cargo test -- --option` also hands it to the unit
/// tests' harness, which rejects what it does not know.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// Also write JUnit XML here; the run's folder always has one
    #[arg(long, env = "MULTIVM_JUNIT", value_name = "PATH")]
    pub junit: Option<PathBuf>,

    /// Run only the scenarios of this set of scenarios.toml
    #[arg(long, env = "MULTIVM_SET", value_name = "NAME", default_value = "all")]
    pub set: String,

    /// Run every scenario with every size of guests that scenarios.toml declares, in place of the profile's
    #[arg(long, env = SIZING_VARIABLE, value_parser = sizing_switch)]
    pub sizing: bool,

    /// Run one part of the selection, as 2/4: for several machines, each with a part of its own
    #[arg(long, env = SHARD_VARIABLE, value_name = "PART/PARTS", default_value_t = Shard::WHOLE)]
    pub shard: Shard,

    /// Replay the choices of a run: the seed that it printed. Without one a seed is chosen
    #[arg(long, env = SEED_VARIABLE, value_name = "NUMBER")]
    pub seed: Option<Seed>,

    /// Sizes, counts and times: a profile of scenarios.toml
    ///
    /// [default: lab, or reference with an inventory]
    #[arg(long, env = "MULTIVM_PROFILE", value_name = "NAME")]
    pub profile: Option<String>,

    /// Boot the guests that this catalogue lists, of its images, in place of equal ones
    #[arg(long, env = CATALOGUE_VARIABLE, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,

    /// Run on hosts of this inventory instead of this machine's lab
    #[arg(long, env = "MULTIVM_INVENTORY", value_name = "FILE")]
    pub inventory: Option<PathBuf>,

    /// The pair of the inventory, by its name or by a label that no other pair has
    #[arg(long, env = "MULTIVM_PAIR", value_name = "NAME")]
    pub pair: Option<String>,

    /// The scenario file
    #[arg(long, env = "MULTIVM_SCENARIOS", value_name = "PATH")]
    pub scenarios: Option<PathBuf>,

    /// Where the folders of runs go
    #[arg(long, env = "MULTIVM_RESULTS", value_name = "PATH")]
    pub results: Option<PathBuf>,

    /// For the first scenario of each mode and order, also measure its migrations alone, without any proof
    #[arg(long, env = "MULTIVM_FLOOR", value_parser = clap::builder::FalseyValueParser::new())]
    pub floor: bool,
}

impl RunOptions {
    /// The folder for the folders of runs.
    pub fn results(&self) -> PathBuf {
        self.results.clone().unwrap_or_else(RunFolder::default_root)
    }
}
