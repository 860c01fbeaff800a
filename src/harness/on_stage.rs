//! Plays trials on the stage of a run that has the machine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Conclusion, Trial};

use super::args::one_at_a_time;
use super::latest;
use super::nextest;
use super::request::Request;
use crate::failure::{Failure, Problem, Result};
use crate::run::{GivenBack, Hold, Plan, outputs};
use crate::stage::Stage;
use crate::stand::become_root;
use crate::sys::terminal;

/// Takes the machine, plays the trials one at a time, and gives the machine back as it was. `selected` has the names of the
/// scenarios for the progress display; none if the trials are no scenarios.
///
/// # Errors
///
/// The run cannot begin, or its results cannot be written.
pub fn on_stage(
    request: &Request,
    plan: Plan,
    selected: Option<Vec<String>>,
    trials: impl FnOnce(&Arc<Stage>) -> Vec<Trial>,
) -> Result<ExitCode, Problem> {
    become_root()?;
    let junit = request.options.junit.as_deref();
    // This checks as the user who will write.
    outputs::check(&plan.results, junit).map_err(Problem::Input)?;
    latest::withdraw(&plan.results)?;
    let mut hold = Hold::take(&plan, selected.as_ref().map(Vec::len), nextest::group())?;
    let stage = Arc::new(Stage::set_up(&mut hold, plan, request.options.floor, selected));
    let arguments = one_at_a_time(&request.libtest);
    let trials = trials(&stage);
    // libtest-mimic panics when the reader of its output is gone (`| head`), and the hosts must go down all the same.
    let conclusion = catch_unwind(AssertUnwindSafe(|| libtest_mimic::run(&arguments, trials))).ok();
    // Connections must close before the hosts behind them go down.
    let since = stage.release();
    let given_back = hold.give_back(since.as_ref(), junit);
    Ok(status(given_back, conclusion.as_ref(), since.is_none())?)
}

/// The exit code of a run. There is no conclusion if libtest broke off. `is_all` says that nothing happened after the last
/// scenario.
fn status(run: GivenBack, conclusion: Option<&Conclusion>, is_all: bool) -> Result<ExitCode> {
    run.results.map_err(|failure| failure.and(came_of_it(conclusion)))?;
    if run.was_interrupted {
        return Ok(ExitCode::from(130));
    }
    if !run.is_clean {
        return Ok(ExitCode::FAILURE);
    }
    let Some(conclusion) = conclusion else {
        let cause = "libtest broke off: nobody reads its output any more, or it cannot be written";
        return Err(
            Failure::new("play all scenarios", cause).try_next("write the output to a file, and read that")
        );
    };
    if !is_all {
        return Ok(ExitCode::FAILURE);
    }
    // A process of nextest, which plays one scenario, is no exception: nextest would call an ignored one passed.
    if let Some(why) = run.unproved.filter(|_| !conclusion.has_failed()) {
        terminal::say(&format!("multivm: {why}"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(conclusion.exit_code())
}

/// What came of the scenarios of a run whose results could not all be written: the exit status says no more than that.
fn came_of_it(conclusion: Option<&Conclusion>) -> String {
    match conclusion {
        None => "; the scenarios were broken off".to_owned(),
        Some(Conclusion { num_passed, num_failed, num_ignored, .. }) => {
            format!("; of the scenarios {num_passed} passed, {num_failed} failed, {num_ignored} were ignored")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_the_scenarios_is_said_beside_results_that_cannot_be_written() {
        let conclusion =
            Conclusion { num_filtered_out: 0, num_passed: 1, num_failed: 1, num_ignored: 0, num_measured: 0 };
        assert_eq!(came_of_it(Some(&conclusion)), "; of the scenarios 1 passed, 1 failed, 0 were ignored");
        assert_eq!(came_of_it(None), "; the scenarios were broken off");
    }
}
