//! What only root can try, with no lab but what a ledger says of one: commands that take the machine's lock or start a run, and
//! the kernel's log. For anybody else it is ignored: sudo would ask for a password in the middle of a test, or is not there.

#[path = "../frozen/mod.rs"]
mod frozen;
#[path = "../cli/left.rs"]
mod left;
#[path = "../remote/left.rs"]
mod pair;
#[path = "../cli/program.rs"]
mod program;
#[path = "../agent/server.rs"]
mod server;

mod addresses;
mod kernel_log;
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
    let cases =
        [&addresses::CASES[..], &kernel_log::CASES, &lab::CASES, &outputs::CASES, &sources::CASES].concat();
    let trials = cases.iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
