//! The command line, as a user types it. No lab is raised, and no lock but one in a temporary directory is taken.

mod compare;
#[path = "../golden/counts.rs"]
mod counts;
mod doctor;
mod input;
mod inventory;
mod lab;
mod left;
mod merge;
mod program;
mod readme;
mod scenarios;
mod selection;
mod watch;

use rstest::fixture;

use program::Cli;

#[fixture]
fn cli() -> Cli {
    Cli::new()
}
