//! `main` of the test target: from arguments to trials to the exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::args::{self, Request};
use super::run::{Progress, Run};
use super::slot::{Builder, Slot};
use super::{Session, become_root, interrupt};
use crate::failure::{Done, Failure};
use crate::guest::Fleet;
use crate::inventory::{Inventory, Settings};
use crate::lab;
use crate::outcome::{Outcome, Verdict};
use crate::report::{Event, Record};
use crate::run::{self, Context, panic_text};
use crate::scenario::{Order, Profile, Scenario, ScenarioFile};
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
    let plan = match Plan::read(&request) {
        Ok(plan) => plan,
        Err(mistake) => {
            eprintln!("{mistake}");
            return ExitCode::from(2);
        }
    };
    let listing = request.options.libtest.list;
    // nextest decides by the list what it runs, and shows a case that ignores itself as passed.
    let flagged = listing
        || request.options.libtest.ignored
        || request.options.libtest.include_ignored
        || std::env::var_os("NEXTEST").is_some();
    let runs = |scenario: &Scenario| scenario.not_yet().is_none() && !request.options.libtest.ignored;
    if listing || !plan.scenarios.iter().any(runs) {
        let trials = plan.scenarios.iter().map(|scenario| ignored(scenario, flagged, None)).collect();
        return libtest_mimic::run(&one_at_a_time(&request.options.libtest), trials).exit_code();
    }
    match execute(&request, plan, flagged, build) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("multivm: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What the arguments and the environment ask for, checked.
pub(super) struct Plan {
    file: ScenarioFile,
    scenarios: Vec<Scenario>,
    profile: Profile,
    settings: Settings,
}

impl Plan {
    pub(super) fn read(request: &Request) -> Result<Plan, String> {
        let options = &request.options;
        let get = |name: &str| std::env::var(name).ok();
        let path = crate::scenario::locate(options.scenarios.as_deref(), get);
        let file = ScenarioFile::load(&path).map_err(|error| error.to_string())?;
        let set = file.set(&options.set).map_err(|error| error.to_string())?.selection();
        let scenarios: Vec<Scenario> = file
            .select(&request.selection)
            .into_iter()
            .filter(|scenario| set.matches(&scenario.name()))
            .collect();
        let profile = file
            .profile(&options.profile)
            .and_then(|profile| profile.clone().override_from(get))
            .map_err(|error| error.to_string())?;
        let settings = Settings::from_environment().map_err(|failure| failure.to_string())?;
        let crossing = scenarios.iter().any(|scenario| scenario.order == Order::Cross);
        if crossing && profile.guests < 2 && !options.libtest.list {
            return Err(format!(
                "cannot run the order cross with MULTIVM_GUESTS={}: it needs at least 2 guests",
                profile.guests
            ));
        }
        Ok(Plan { file, scenarios, profile, settings })
    }
}

fn execute(request: &Request, plan: Plan, flagged: bool, build: Build) -> Done<ExitCode> {
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

/// Takes the machine, plays the trials one at a time, and gives the machine back as it was.
pub(super) fn on_stage(
    request: &Request,
    plan: Plan,
    build: Build,
    trials: impl FnOnce(&Arc<Stage>) -> Vec<Trial>,
) -> Done<ExitCode> {
    become_root()?;
    let cancel = Cancel::new();
    interrupt::cancel_on_signals(&cancel)?;
    let mut session = Session::begin(plan.settings.clone(), cancel.clone())?;
    let results = request.options.results.clone().unwrap_or_else(results);
    let run = Arc::new(Run::create(&results, profile_facts(&plan.profile))?);
    // From here on a failure is the cases' to report.
    let prepared = session.prepare();
    if let Some(stack) = session.stack() {
        eprintln!("multivm: {stack}");
    }
    let session = Arc::new(Mutex::new(Some(session)));
    let builder = Box::new(Fixtures {
        session: Arc::clone(&session),
        run: Arc::clone(&run),
        profile: plan.profile.clone(),
        cancel: cancel.clone(),
        build,
    });
    let slot = match prepared {
        Ok(()) => Slot::new(builder),
        Err(failure) => Slot::broken(builder, failure),
    };
    let stage = Arc::new(Stage { slot, run: Arc::clone(&run), file: plan.file, cancel: cancel.clone() });
    let trials = trials(&stage);
    let conclusion = libtest_mimic::run(&one_at_a_time(&request.options.libtest), trials);

    // A lab that was up before stays up, with its guests.
    stage.slot.release();
    let failures = locked(&session).take().map(Session::end).unwrap_or_default();
    run.close(request.options.junit.as_deref())?;
    eprintln!("multivm: record, JUnit and evidence are in {}", run.path().display());
    for failure in &failures {
        eprintln!("multivm: {failure}");
    }
    if cancel.is_cancelled() {
        return Ok(ExitCode::from(130));
    }
    Ok(if failures.is_empty() { conclusion.exit_code() } else { ExitCode::FAILURE })
}

/// What builds the fleet: the lab's session and the fixtures on top of it.
struct Fixtures {
    session: Arc<Mutex<Option<Session>>>,
    run: Arc<Run>,
    profile: Profile,
    cancel: Cancel,
    build: Build,
}

impl Builder for Fixtures {
    fn build(&self) -> Done<Fleet> {
        let begin = std::time::Instant::now();
        let mut session = locked(&self.session);
        let inventory = session
            .as_mut()
            .ok_or_else(|| Failure::new("raise the lab", "the run has ended"))?
            .raise()?
            .clone();
        self.run.fixture_ready("lab", begin.elapsed(), Default::default());
        let progress = |name: &str, took, facts| self.run.fixture_ready(name, took, facts);
        let fleet = (self.build)(inventory, &self.profile, &self.cancel, &progress)?;
        if let Some(warning) = fleet.hosts.warning() {
            eprintln!("\nmultivm: warning: {warning}");
            self.run.fixture_ready("warning", begin.elapsed(), [("warning".to_owned(), warning)].into());
        }
        Ok(fleet)
    }

    fn clear(&self) -> Done<()> {
        match locked(&self.session).as_mut() {
            Some(session) => session.clear_hosts(),
            None => Ok(()),
        }
    }

    fn repaired(&self, what: &str, why: &str) {
        self.run.write(&Event::Repair { what: what.to_owned(), why: why.to_owned() });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all trials share; plays scenarios, one at a time.
pub(super) struct Stage {
    slot: Slot,
    run: Arc<Run>,
    file: ScenarioFile,
    cancel: Cancel,
}

impl Stage {
    fn play(self: &Arc<Self>, scenario: Scenario) -> Result<Completion, Failed> {
        let name = scenario.name();
        if self.cancel.is_cancelled() {
            let mut outcome = Outcome::new(&name, Verdict::NotRun, SystemTime::now());
            outcome.reason = Some("the run was interrupted before it began".into());
            self.run.finished(outcome);
            return Ok(Completion::ignored_with("the run was interrupted"));
        }
        // On a thread of the scenario's name, so that a panic's message says which one it was.
        let stage = Arc::clone(self);
        let started = SystemTime::now();
        let result = thread::Builder::new()
            .name(name.clone())
            .spawn(move || stage.outcome(&scenario, started))
            .map_err(|error| Failed::from(format!("start the scenario's thread: {error}")))?
            .join();
        let outcome = result.unwrap_or_else(|panic| {
            let mut outcome = Outcome::new(&name, Verdict::Error, started);
            outcome.reason = Some(format!("the scenario panicked: {}", panic_text(&panic)));
            outcome
        });
        let verdict = outcome.verdict;
        let text = outcome.failure_text();
        self.run.finished(outcome);
        match verdict {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Interrupted => Ok(Completion::ignored_with("the run was interrupted")),
            _ => {
                // nextest takes the text of a failure from a line that begins like this.
                if std::env::var_os("NEXTEST").is_some() {
                    eprintln!("Error: {text}");
                }
                Err(Failed::from(text))
            }
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    pub(super) fn record(&self) -> &Record {
        &self.run.record
    }

    /// The fleet, whole.
    pub(super) fn fleet(&self) -> Done<Arc<Fleet>> {
        self.slot.fleet()
    }

    /// Plays one scenario on the fleet, which is made whole first.
    pub(super) fn outcome(&self, scenario: &Scenario, started: SystemTime) -> Outcome {
        let name = scenario.name();
        let error = |failure: Failure| {
            let interrupted = self.cancel.is_cancelled();
            let verdict = if interrupted { Verdict::Interrupted } else { Verdict::Error };
            let mut outcome = Outcome::new(&name, verdict, started);
            outcome.reason = Some(failure.to_string());
            outcome.duration = started.elapsed().unwrap_or_default();
            outcome
        };
        let fleet = match self.slot.fleet() {
            Ok(fleet) => fleet,
            Err(failure) => return error(failure),
        };
        match self.run.scenario_folder(&name) {
            Ok(folder) => {
                let context = Context {
                    record: &self.run.record,
                    allowed_lines: self.file.allowed_lines(),
                    folder: &folder,
                };
                run::run(scenario, &fleet, &context)
            }
            Err(failure) => error(failure),
        }
    }
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

/// Beside what cargo builds, so that it is never committed: `target/multivm`.
fn results() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).or_else(|| {
        let program = std::env::current_exe().ok()?;
        let found = program.ancestors().find(|path| path.file_name().is_some_and(|name| name == "target"))?;
        Some(found.to_owned())
    });
    target.unwrap_or_else(|| PathBuf::from("target")).join("multivm")
}

fn profile_facts(profile: &Profile) -> serde_json::Value {
    serde_json::json!({
        "name": profile.name,
        "guests": profile.guests,
        "vcpus": profile.vcpus,
        "memory_bytes": profile.memory.0,
        "rounds": profile.rounds,
        "precopy_timeout_s": profile.precopy_timeout.as_secs_f64(),
        "postcopy_timeout_s": profile.postcopy_timeout.as_secs_f64(),
        "probe_interval_ms": profile.probe_interval.as_secs_f64() * 1e3,
        "max_gap_s": profile.max_gap.as_secs_f64(),
        "cpu_workers": profile.cpu_workers,
        "memory_workers": profile.memory_workers,
        "memory_bytes_per_worker": profile.memory_bytes.0,
        "dirty_floor_bytes": profile.dirty_floor.0,
        "first_pass_bandwidth_bytes_per_s": profile.first_pass_bandwidth.0,
    })
}
