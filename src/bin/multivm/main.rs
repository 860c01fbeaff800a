//! The command line, for everything around the scenarios, which themselves run by `cargo test`.

// A line that is not said by `sys::terminal` panics when nobody reads it.
#![warn(clippy::print_stderr)]

mod compare;
mod doctor;
mod image;
mod inventory;
mod lab;
mod merge;
mod problem;
mod reap;
mod report;
mod scenarios;
mod watch;
mod which_run;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use multivm::sys::unset::without_empty_variables;
use problem::Answer;

/// Live-migration stress suite for KVM.
#[derive(Parser)]
#[command(
    name = "multivm",
    version,
    after_help = "Scenarios are run by `cargo test -- NAME`. Exit status: 0 good, 1 failed, 2 bad input (nothing was touched)."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what this machine can do, what is missing, and what to do about it
    Doctor(doctor::Arguments),
    /// Raise, show, enter and take down the lab
    #[command(subcommand)]
    Lab(lab::Command),
    /// Make images for guests
    #[command(subcommand)]
    Image(image::Command),
    /// Read inventories: pairs of hosts that are not the lab's
    #[command(subcommand)]
    Inventory(inventory::Command),
    /// List scenarios, or explain one step by step
    Scenarios(scenarios::List),
    /// Explain a scenario step by step; nothing is started
    Explain(scenarios::Explain),
    /// Show a run as it goes on, from another terminal
    Watch(watch::Arguments),
    /// Make one record of the records of several runs, such as parts that ran on several machines
    Merge(merge::Arguments),
    /// Make the HTML report of a run from its record
    Report(report::Html),
    /// Make the JUnit XML of a run from its record
    Junit(report::Junit),
    /// Say what got worse between the runs of two stacks, beyond noise
    Compare(compare::Arguments),
    /// Clear what a killed run left on this machine
    Reap(reap::Arguments),
}

fn main() -> ExitCode {
    // This comes first: the lab's hosts and the lab's keeper are this very program, started again.
    if let Some(code) = multivm::stand::hidden_entry() {
        return code;
    }
    let matches = without_empty_variables(Arguments::command()).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let answer = match arguments.command {
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Lab(command) => lab::run(command),
        Command::Image(command) => image::run(&command),
        Command::Inventory(command) => inventory::run(command),
        Command::Scenarios(arguments) => scenarios::list(&arguments),
        Command::Explain(arguments) => scenarios::explain(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Merge(arguments) => merge::run(&arguments),
        Command::Report(arguments) => report::html(&arguments),
        Command::Junit(arguments) => report::junit(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Reap(arguments) => reap::run(&arguments),
    };
    answer.unwrap_or_else(|problem| problem.report())
}

/// Writes an answer to standard output. A reader that has seen enough (`| head`) is no failure.
fn say(text: &str) -> Answer {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(multivm::failure::Failure::new("write to standard output", error).into())
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
