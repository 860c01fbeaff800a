//! `main` of the test target, from arguments over trials to the exit code.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Trial;
use nix::unistd::{dup2_stderr, dup2_stdout};

use super::args::{self, one_at_a_time};
use super::command;
use super::fit::Fit;
use super::latest;
use super::on_stage::on_stage;
use super::request::Request;
use super::trial::completion;
use crate::failure::{Problem, Result};
use crate::run::Plan;
use crate::scenario::Scenario;
use crate::stand::hidden_entry;
use crate::sys::disk;
use crate::sys::terminal;

/// Runs the test target. Exit codes: 0 all passed, 101 some failed, 2 bad input and nothing touched, 130
/// interrupted, 1 the run could not begin or not be cleaned up, or it proved nothing.
pub fn main() -> ExitCode {
    if let Some(code) = hidden_entry() {
        return code;
    }
    let request = match args::parse(std::env::args()) {
        Ok(request) => request,
        Err(code) => return code,
    };
    let played = request.plan().and_then(|plan| execute(&request, plan));
    exit_code(played.map_err(|problem| request.withdraw_for(problem)))
}

/// The exit code of a run, or of what prevented it. Nothing may be said after this.
pub fn exit_code(result: Result<ExitCode, Problem>) -> ExitCode {
    let code = result.unwrap_or_else(Problem::report);
    let places = disk::hanging();
    if !places.is_empty() {
        leave_what_hangs(&places);
    }
    code
}

/// Lets go of the output: nothing ends a process before its last call has an answer, and whoever reads what it says waits for its end.
fn leave_what_hangs(places: &[PathBuf]) {
    let mut places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    places.dedup();
    terminal::say(&format!(
        "multivm: this is all. If process {} is not gone now, it hangs in the kernel, and ends as soon as the disk of {} answers",
        std::process::id(),
        places.join(" and of ")
    ));
    let _ = io::stdout().flush();
    if let Ok(nowhere) = File::options().write(true).open("/dev/null") {
        // A reader then waits longer, which is all that comes of a failure.
        let _ = dup2_stdout(&nowhere).and_then(|()| dup2_stderr(&nowhere));
    }
}

fn execute(request: &Request, plan: Plan) -> Result<ExitCode, Problem> {
    let arguments = &request.libtest;
    let fit = Fit::of(request, &plan)?;
    if arguments.list && command::nextest_is_about_to_run() {
        latest::withdraw(&plan.results)?;
    }
    let ignored = plan.ignored.clone();
    let mark = move |trial: Trial, scenario: &Scenario| trial.with_ignored_flag(ignored.contains(scenario));
    // libtest lists the remaining cases as ignored and does not play them.
    let mut others: Vec<Trial> = plan.not_played().iter().map(|case| mark(unplayed(case), case)).collect();
    if arguments.list || plan.scenarios.is_empty() {
        let mut trials: Vec<Trial> =
            plan.scenarios.iter().map(|scenario| mark(unplayed(scenario), scenario)).collect();
        trials.append(&mut others);
        let conclusion = libtest_mimic::run(&one_at_a_time(arguments), trials);
        if request.lists_for_people() {
            terminal::say(plan.file.describe_sets(&plan.set).trim_end());
        }
        if let (Fit::OwnTests(line), false) = (fit, arguments.list) {
            let note = latest::withdrawn(&plan.results).map(|note| format!("; {note}"));
            terminal::say(&format!("multivm: {line}{}", note.unwrap_or_default()));
        }
        return Ok(conclusion.exit_code());
    }
    let scenarios = plan.in_order_of_play();
    let selected = scenarios.iter().map(Scenario::name).collect();
    on_stage(request, plan, Some(selected), move |stage| {
        let trial = |scenario: Scenario| {
            let stage = Arc::clone(stage);
            let play = move || {
                let outcome = stage.play(scenario);
                completion(outcome.verdict, outcome.failure_text())
            };
            mark(Trial::ignorable_test(scenario.name(), play), &scenario)
        };
        scenarios.into_iter().map(trial).chain(others).collect()
    })
}

/// The trial of a scenario that libtest only lists.
fn unplayed(scenario: &Scenario) -> Trial {
    Trial::test(scenario.name(), || Err("the scenario is listed, and not to be played".into()))
}
