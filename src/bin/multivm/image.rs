//! `multivm image`: images of distributions, for whoever has none at hand.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use multivm::failure::Failure;
use multivm::image::{Distribution, Images};
use multivm::inventory::Arch;
use multivm::stand::lab::Lab;
use multivm::stand::{Session, become_root};
use multivm::sys::interrupt::stop_on_signals;
use multivm::sys::stop::StopFlag;

use crate::problem::{Answer, Problem, settings};

#[derive(Subcommand)]
pub enum Command {
    /// Build the full image of a distribution, with cloud-init, from this machine's package sources, and print its path
    Build(BuildArguments),
}

#[derive(clap::Args)]
pub struct BuildArguments {
    /// The distribution
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(Distribution::ALL.map(|one| one.name)))]
    name: String,
}

pub fn run(command: &Command) -> Answer {
    let Command::Build(BuildArguments { name }) = command;
    let distribution = Distribution::named(name)
        .ok_or_else(|| Problem::input(format!("error: there is no image of {name}")))?;
    let settings = settings()?;
    let (store, tools_suite) = (settings.store.clone(), settings.source_suite.clone());
    become_root()?;
    let stop = StopFlag::new();
    stop_on_signals(&stop)?;
    let session = Session::begin(Box::new(Lab::new(settings)), stop)?;
    if session.is_attached() {
        // The ledger forgets that the lab is to stay as soon as another thing is entered.
        let failure = Failure::new(format!("build the image of {name}"), "the lab is up");
        return Err(failure.try_next("multivm lab down, then run again").into());
    }
    let ground = session.ground();
    let images = Images { store: &store, ledger: ground.ledger, stop: ground.stop };
    let built = images.cloud(distribution, || images.host(&tools_suite, Arch::OF_HOSTS));
    let failures = session.end();
    let disk = built?;
    if !failures.is_empty() {
        return Err(Problem::Failed(failures));
    }
    crate::say(&format!("{}\n", disk.display()))
}
