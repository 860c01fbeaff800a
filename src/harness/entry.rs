//! `main` of the test target: from arguments to trials to the exit code.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use libtest_mimic::{Arguments, Completion, Trial};

use super::args::{self, Request};
use super::plan::Plan;
use super::run::{Progress, Run};
use super::stage::on_stage;
use crate::failure::Done;
use crate::guest::Fleet;
use crate::inventory::Inventory;
use crate::lab;
use crate::outcome::{Outcome, Verdict};
use crate::scenario::{Profile, Scenario};
use crate::wait::Cancel;

/// Builds the fleet on the hosts of an inventory, reporting each fixture that is ready.
pub type Build = fn(Inventory, &Profile, &Cancel, &Progress<'_>) -> Done<Fleet>;

/// Runs the test target. Exit codes: 0 all passed, 101 some failed, 2 bad input and nothing touched, 130
/// interrupted, 1 the run could not begin or not be cleaned up.
pub fn main(build: Build) -> ExitCode {
    if let Some(code) = lab::hidden_entry() {
        return code;
    }
    let request = match args::parse(std::env::args()) {
        Ok(request) => request,
        Err(code) => return code,
    };
    exit_code(Plan::read(&request).map(|plan| execute(&request, plan, build)))
}

/// What a run, or the mistake that kept it from being one, comes to.
pub(super) fn exit_code(result: Result<Done<ExitCode>, String>) -> ExitCode {
    match result {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            eprintln!("multivm: {failure}");
            ExitCode::FAILURE
        }
        Err(mistake) => {
            eprintln!("{mistake}");
            ExitCode::from(2)
        }
    }
}

fn execute(request: &Request, plan: Plan, build: Build) -> Done<ExitCode> {
    let arguments = &request.options.libtest;
    // nextest decides by the list what it runs, and shows a case that ignores itself as passed.
    let flagged = arguments.list
        || arguments.ignored
        || arguments.include_ignored
        || std::env::var_os("NEXTEST").is_some();
    let runs = |scenario: &Scenario| scenario.not_yet().is_none() && !arguments.ignored;
    if arguments.list || !plan.scenarios.iter().any(runs) {
        let trials = plan.scenarios.iter().map(|scenario| ignored(scenario, flagged, None)).collect();
        return Ok(libtest_mimic::run(&one_at_a_time(arguments), trials).exit_code());
    }
    let scenarios = plan.scenarios.clone();
    on_stage(request, plan, build, move |stage| {
        let trial = |scenario: &Scenario| match scenario.not_yet() {
            Some(_) => ignored(scenario, flagged, Some(Arc::clone(&stage.run))),
            None => {
                let stage = Arc::clone(stage);
                let scenario = *scenario;
                Trial::ignorable_test(scenario.name(), move || stage.play(scenario))
            }
        };
        scenarios.iter().map(trial).collect()
    })
}

/// A trial of a scenario that cannot run yet: listed, and ignored with its reason.
fn ignored(scenario: &Scenario, flagged: bool, run: Option<Arc<Run>>) -> Trial {
    let name = scenario.name();
    let reason = scenario.not_yet().unwrap_or("not selected to run");
    let trial = Trial::ignorable_test(name.clone(), move || {
        if let Some(run) = run {
            let mut outcome = Outcome::new(&name, Verdict::Ignored, SystemTime::now());
            outcome.reason = Some(reason.to_owned());
            run.finished(outcome);
        }
        Ok(Completion::ignored_with(reason))
    });
    trial.with_ignored_flag(flagged && scenario.not_yet().is_some())
}

/// The arguments with one test thread: all scenarios share one pair of hosts.
pub(super) fn one_at_a_time(arguments: &Arguments) -> Arguments {
    if arguments.test_threads.is_some_and(|threads| threads > 1) {
        eprintln!(
            "multivm: scenarios share one pair of hosts and run one at a time; --test-threads is not used"
        );
    }
    Arguments { test_threads: Some(1), ..arguments.clone() }
}
