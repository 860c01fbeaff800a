//! A run's hold on the machine, from before the first trial to after the last.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Conclusion, Trial};

use super::args::{Request, one_at_a_time};
use super::fixture::Fixture;
use super::held_session::HeldSession;
use super::latest;
use super::nextest::NextestRun;
use super::outputs;
use super::plan::Plan;
use super::room;
use super::run::Run;
use super::slot::Slot;
use super::stage::Stage;
use crate::failure::{Failure, Problem, Result};
use crate::host::LogMarks;
use crate::plan::SEED_VARIABLE;
use crate::progress::{LiveStatus, terminal};
use crate::record::{Event, Outcome, RecordedProfile};
use crate::remote::{load_log_positions, save_log_positions};
use crate::stand::{become_root, take_down_after};
use crate::sys::stop::StopFlag;
use crate::sys::watch::Watch;
use crate::sys::{halt, interrupt};

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
    let mut hold = Hold::take(&plan, selected.as_ref().map(Vec::len))?;
    let stage = Arc::new(hold.stage(request, plan, selected));
    let arguments = one_at_a_time(&request.options.libtest);
    let trials = trials(&stage);
    // libtest-mimic panics when the reader of its output is gone (`| head`), and the hosts must go down all the same.
    let conclusion = catch_unwind(AssertUnwindSafe(|| libtest_mimic::run(&arguments, trials))).ok();
    // Connections must close before the hosts behind them go down.
    let since = stage.release();
    Ok(hold.give_back(conclusion.as_ref(), since.as_ref(), junit)?)
}

/// Records every time in which this process did not run.
fn note_halts(run: &Arc<Run>) -> Result<Watch<()>> {
    let run = Arc::clone(run);
    halt::watch(move |halt| {
        let from_t_ms = run.record.t_ms(halt.from);
        run.write(&Event::HarnessHalted { from_t_ms, duration_s: halt.length.as_secs_f64() });
    })
}

/// The session and the run, with the flag that ends both early.
struct Hold {
    stop: StopFlag,
    session: HeldSession,
    run: Arc<Run>,
    /// The watch that notices when this process does not run.
    _halts: Watch<()>,
    /// The folder of a nextest run.
    group: Option<PathBuf>,
    /// How far the process before this one, in a run of nextest, has read the logs.
    read: Option<LogMarks>,
}

impl Hold {
    /// Takes the machine's lock and makes the run's folder.
    ///
    /// # Errors
    ///
    /// The lock or the folder cannot be had, or running hosts have no room for the guests.
    fn take(plan: &Plan, scenarios: Option<usize>) -> Result<Hold, Problem> {
        let stop = StopFlag::new();
        interrupt::stop_on_signals(&stop, terminal::say)?;
        let nextest = NextestRun::here();
        let owner = nextest.as_ref().map(|run| run.owner.clone());
        let session = plan.hosts.session(&plan.settings, &plan.profile, &stop, owner.clone())?;
        room::stands(&plan.scenarios, &plan.file, &plan.profile, &session)?;
        let group = nextest.map(|run| run.folder(&plan.results)).transpose()?;
        let mut read = None;
        if let (Some(owner), Some(group)) = (&owner, &group) {
            // The keeper must watch before anything is raised: it clears what this process leaves if it is killed.
            take_down_after(owner, &group.join("keeper.log"))?;
            load_log_positions(&log_positions(group))?;
            read = LogMarks::load(&log_marks(group))?;
        }
        if let Some(seed) = plan.seed_in_use() {
            eprintln!(
                "multivm: seed {seed}: {SEED_VARIABLE}={seed} plays the same moves again, with as many guests and rounds"
            );
        }
        let run = Run::create(
            &plan.results,
            group.as_deref(),
            Some(RecordedProfile::from(&plan.profile)),
            scenarios,
            plan.seed_in_use(),
            plan.settings.catalogue.as_ref().map(|catalogue| catalogue.name.clone()),
        )?;
        let run = Arc::new(run);
        let halts = note_halts(&run)?;
        Ok(Hold { stop, session: HeldSession::new(session), run, _halts: halts, group, read })
    }

    /// Sets up the stage. From here on the trials report failures.
    fn stage(&mut self, request: &Request, plan: Plan, selected: Option<Vec<String>>) -> Stage {
        let prepared = self.prepare();
        let guests_memory = plan.guests_memory(self.group.is_some());
        let fixture = Fixture {
            session: self.session.clone(),
            run: Arc::clone(&self.run),
            guests_memory,
            cpu_percent: plan.hosts.cpu_percent(&plan.settings, guests_memory),
            raise_limit: plan.hosts.raise_limit(plan.settings.catalogue.as_ref()),
            stop: self.stop.clone(),
            group: self.group.clone(),
            ends: Mutex::default(),
            read: Mutex::new(self.read.take()),
            suspected_after: AtomicUsize::new(0),
        };
        let slot = match prepared {
            Ok(()) => Slot::new(fixture),
            Err(failure) => Slot::broken(fixture, failure),
        };
        let status = selected.and_then(|selected| {
            LiveStatus::begin(&self.run.record, &self.run.header(), selected, &plan.results, &self.stop)
        });
        Stage::new(slot, plan, Arc::clone(&self.run), self.stop.clone(), request.options.floor, status)
    }

    fn prepare(&self) -> Result<()> {
        self.session.with("prepare the hosts", |session| {
            let prepared = match &self.group {
                Some(group) => NextestRun::raise(group, &self.stop, || session.prepare()),
                None => session.prepare(),
            };
            if let Some(stack) = session.stack() {
                eprintln!("multivm: {stack}");
            }
            prepared
        })
    }

    /// Gives the machine back and writes the reports. A lab that was up before stays up, with its guests. There is no conclusion
    /// if libtest broke off. `since` is what happened after the last scenario.
    fn give_back(
        self,
        conclusion: Option<&Conclusion>,
        since: Option<&Outcome>,
        junit: Option<&Path>,
    ) -> Result<ExitCode> {
        let read_on = self.group.as_ref().map_or(Ok(()), |group| {
            save_log_positions(&log_positions(group)).and_then(|()| LogMarks::save(&log_marks(group)))
        });
        let failures = self.session.end();
        let closed = self.run.close(junit);
        if let Some(since) = since {
            let (scenario, text) = (&since.scenario, since.failure_text());
            terminal::say(&format!("multivm: after the last scenario, and charged to {scenario}:\n{text}"));
        }
        for line in self.run.spent() {
            terminal::say(&format!("multivm: {line}"));
        }
        terminal::say(&format!("multivm: {}", results_are_in(self.run.path(), closed.is_ok())));
        for failure in failures.iter().chain(read_on.as_ref().err()) {
            terminal::say(&format!("multivm: {failure}"));
        }
        closed.map_err(|failure| failure.and(came_of_it(conclusion)))?;
        if self.stop.is_set() {
            return Ok(ExitCode::from(130));
        }
        if !failures.is_empty() {
            return Ok(ExitCode::FAILURE);
        }
        let Some(conclusion) = conclusion else {
            let cause = "libtest broke off: nobody reads its output any more, or it cannot be written";
            return Err(Failure::new("play all scenarios", cause)
                .try_next("write the output to a file, and read that"));
        };
        if since.is_some() {
            return Ok(ExitCode::FAILURE);
        }
        // A process of nextest, which plays one scenario, is no exception: nextest would call an ignored one passed.
        if let Some(why) = self.run.unproved().filter(|_| !conclusion.has_failed()) {
            terminal::say(&format!("multivm: {why}"));
            return Ok(ExitCode::FAILURE);
        }
        Ok(conclusion.exit_code())
    }
}

/// The file in which the processes of a group tell each other how far they have read kernel logs.
fn log_positions(group: &Path) -> PathBuf {
    group.join("kernel-logs.json")
}

/// The file in which they tell each other how far they have read all other logs.
fn log_marks(group: &Path) -> PathBuf {
    group.join("logs.json")
}

/// Says where a run's results are; not all of them are there if some could not be written.
fn results_are_in(folder: &Path, all: bool) -> String {
    let results = "record, JUnit, report.html and evidence";
    let folder = folder.display();
    if all {
        format!("{results} are in {folder}")
    } else {
        format!("what could be written of {results} is in {folder}")
    }
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

    #[test]
    fn results_that_could_not_be_written_are_not_said_to_be_there() {
        let said = |all| results_are_in(Path::new("r"), all);
        assert_eq!(said(true), "record, JUnit, report.html and evidence are in r");
        assert!(said(false).starts_with("what could be written of"));
    }
}
