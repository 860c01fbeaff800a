//! A run's hold on the machine, from before the first scenario to after the last.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::given_back::GivenBack;
use super::group::RunGroup;
use super::held_session::HeldSession;
use super::on_disk::Run;
use super::plan::Plan;
use super::room;
use crate::failure::{Problem, Result};
use crate::guest::EarlierLooks;
use crate::host::{LogMarks, load_noted_daemons, save_noted_daemons};
use crate::plan::SEED_VARIABLE;
use crate::record::{Event, Outcome, RecordedProfile};
use crate::remote::{load_log_positions, save_log_positions};
use crate::stand::take_down_after;
use crate::sys::disk::Disk;
use crate::sys::stop::StopFlag;
use crate::sys::terminal;
use crate::sys::watch::Watch;
use crate::sys::{halt, interrupt};

/// Records every time in which this process did not run.
fn note_halts(run: &Arc<Run>) -> Result<Watch<()>> {
    let run = Arc::clone(run);
    halt::watch(move |halt| {
        let from_t_ms = run.record.t_ms(halt.from);
        run.write(&Event::HarnessHalted { from_t_ms, duration_s: halt.length.as_secs_f64() });
    })
}

/// The session and the run, with the flag that ends both early.
pub struct Hold {
    pub stop: StopFlag,
    pub session: HeldSession,
    pub run: Arc<Run>,
    /// The watch that notices when this process does not run.
    _halts: Watch<()>,
    /// The folder of the group that the run belongs to.
    pub group: Option<PathBuf>,
    /// What the run before this one, in a group, has handed over.
    pub earlier: EarlierRun,
}

/// What one run of a group hands over to the next one.
#[derive(Default)]
pub struct EarlierRun {
    /// How far it has read the logs.
    pub read: Option<LogMarks>,
    /// How it has left the guests, if it has proved them.
    pub looks: Option<EarlierLooks>,
}

impl Hold {
    /// Takes the machine's lock and makes the run's folder. The number of scenarios is for readers of the record; none if
    /// the trials are no scenarios.
    ///
    /// # Errors
    ///
    /// The lock or the folder cannot be had, or running hosts have no room for the guests.
    pub fn take(plan: &Plan, scenarios: Option<usize>, group: Option<RunGroup>) -> Result<Hold, Problem> {
        let stop = StopFlag::new();
        interrupt::stop_on_signals(&stop)?;
        let owner = group.as_ref().map(|group| group.owner.clone());
        let session = plan.hosts.session(&plan.settings, &plan.profile, &stop, owner.clone())?;
        room::stands(&plan.scenarios, &plan.file, &plan.profile, &session)?;
        let joined = group.map(|group| join(group, &plan.results)).transpose()?;
        let (group, earlier) = joined.unzip();
        if let Some(seed) = plan.seed_in_use() {
            terminal::say(&format!(
                "multivm: seed {seed}: {SEED_VARIABLE}={seed} plays the same moves again, with as many guests and rounds"
            ));
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
        let (session, earlier) = (HeldSession::new(session), earlier.unwrap_or_default());
        Ok(Hold { stop, session, run, _halts: halts, group, earlier })
    }

    /// Makes the hosts' images and says what they are made of.
    ///
    /// # Errors
    ///
    /// The images cannot be made, or an earlier run of the group could not raise the hosts.
    pub fn prepare(&self) -> Result<()> {
        self.session.with("prepare the hosts", |session| {
            let prepared = match &self.group {
                Some(group) => RunGroup::raise(group, &self.stop, || session.prepare()),
                None => session.prepare(),
            };
            if let Some(stack) = session.stack() {
                terminal::say(&format!("multivm: {stack}"));
            }
            prepared
        })
    }

    /// Gives the machine back and writes the reports. A lab that was up before stays up, with its guests. `since` is what
    /// happened after the last scenario.
    pub fn give_back(self, since: Option<&Outcome>, junit: Option<&Path>) -> GivenBack {
        let read_on = self.group.clone().map_or(Ok(()), |group| {
            self.run.disk().within("tell the next process what this one knows", move || {
                save_log_positions(&log_positions(&group))?;
                LogMarks::save(&log_marks(&group))?;
                save_noted_daemons(&daemons(&group))?;
                EarlierLooks::save(&guests(&group))
            })
        });
        let failures = self.session.end();
        let results = self.run.close(junit);
        if let Some(since) = since {
            let (scenario, text) = (&since.scenario, since.failure_text());
            terminal::say(&format!("multivm: after the last scenario, and charged to {scenario}:\n{text}"));
        }
        for line in self.run.spent() {
            terminal::say(&format!("multivm: {line}"));
        }
        terminal::say(&format!("multivm: {}", results_are_in(self.run.path(), results.is_ok())));
        for failure in failures.iter().chain(read_on.as_ref().err()) {
            terminal::say(&format!("multivm: {failure}"));
        }
        GivenBack {
            results,
            is_clean: failures.is_empty(),
            was_interrupted: self.stop.is_set(),
            unproved: self.run.unproved(),
        }
    }
}

/// Joins a group of runs: its folder, and what the run before this one hands over.
fn join(group: RunGroup, results: &Path) -> Result<(PathBuf, EarlierRun)> {
    let results = results.to_owned();
    Disk::of(&results).within("join the other processes of this run", move || {
        let folder = group.folder(&results)?;
        // The keeper must watch before anything is raised: it clears what this process leaves if it is killed.
        take_down_after(&group.owner, &folder.join("keeper.log"))?;
        load_log_positions(&log_positions(&folder))?;
        load_noted_daemons(&daemons(&folder))?;
        let read = LogMarks::load(&log_marks(&folder))?;
        let looks = EarlierLooks::take(&guests(&folder))?;
        Ok((folder, EarlierRun { read, looks }))
    })
}

/// The file in which the runs of a group tell each other how far they have read kernel logs.
fn log_positions(group: &Path) -> PathBuf {
    group.join("kernel-logs.json")
}

/// The file in which they tell each other how far they have read all other logs.
fn log_marks(group: &Path) -> PathBuf {
    group.join("logs.json")
}

/// The file in which they tell each other how they leave the guests.
fn guests(group: &Path) -> PathBuf {
    group.join("guests.json")
}

/// The file in which they tell each other what daemons held after the first scenario.
fn daemons(group: &Path) -> PathBuf {
    group.join("daemons.json")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_could_not_be_written_are_not_said_to_be_there() {
        let said = |all| results_are_in(Path::new("r"), all);
        assert_eq!(said(true), "record, JUnit, report.html and evidence are in r");
        assert!(said(false).starts_with("what could be written of"));
    }
}
