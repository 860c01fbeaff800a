//! Commands that take the machine's lock or start a run, as root runs them, with no lab but what a ledger says of one. For
//! anybody else they are ignored: sudo would ask for a password in the middle of a test, or is not there.

#[path = "../cli/left.rs"]
mod left;
#[path = "../cli/program.rs"]
mod program;

mod lab;
mod outputs;
mod sources;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};

fn main() -> ExitCode {
    let trial = |(name, case): &(&'static str, fn())| {
        let case = *case;
        Trial::ignorable_test(*name, move || {
            if !nix::unistd::geteuid().is_root() {
                return Ok(Completion::ignored_with("needs root"));
            }
            case();
            Ok(Completion::Completed)
        })
    };
    let trials = lab::CASES.iter().chain(&outputs::CASES).chain(&sources::CASES).map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
