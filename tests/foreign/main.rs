//! What multivm did not make, in the real lab: refused before anything moves when it is in the way, and untouched then as
//! ever.

mod cases;
mod plant;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Completion, Trial};
use multivm::harness::{Plan, args, exit_code, on_stage, one_at_a_time};
use multivm::stand::hidden_entry;

use cases::CASES;

fn main() -> ExitCode {
    if let Some(code) = hidden_entry() {
        return code;
    }
    let request = match args::parse(std::env::args()) {
        Ok(request) => request,
        Err(code) => return code,
    };
    let options = &request.options.libtest;
    let selected: Vec<_> = CASES.iter().filter(|(name, _)| request.selection.matches(name)).collect();
    if options.list || options.ignored || selected.is_empty() {
        let listed = if options.ignored { Vec::new() } else { selected };
        let trials = listed.iter().map(|(name, _)| Trial::test(*name, || Ok(()))).collect();
        return libtest_mimic::run(&one_at_a_time(options), trials).exit_code();
    }
    exit_code(Plan::read(&request).and_then(|mut plan| {
        // What is refused is refused for the sake of one.
        (plan.profile.guests, plan.profile.load_guests) = (2, 1);
        on_stage(&request, plan, None, move |stage| {
            let trial = |(name, case): &'static (&'static str, cases::Case)| {
                let stage = Arc::clone(stage);
                Trial::ignorable_test(*name, move || {
                    if stage.is_stopped() {
                        return Ok(Completion::ignored_with("the run was interrupted"));
                    }
                    case(&stage).map(|()| Completion::Completed)
                })
            };
            selected.into_iter().map(trial).collect()
        })
    }))
}
