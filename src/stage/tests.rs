//! Tests of a stage against a script: it builds and looks after fixtures without a lab, and a test decides the results of
//! plays.

use std::cell::Cell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use tempfile::TempDir;

use super::slot::Builder;
use super::*;
use crate::migration::Again;
use crate::record::{Event, Finding, JUNIT_FILE, read, results_from_record};
use crate::report::junit;
use crate::sys::wait::{Poll, wait_for};

const NAME: &str = "precopy_orderly::in_vms::stress_cpu";
const RANDOM: &str = "precopy_random::in_vms::stress_cpu";

/// The script of a play, with its result.
type Play = Box<dyn FnOnce(&Context<'_>) -> Played + Send>;

/// A player that notes its calls and follows a script. A play without a script succeeds.
struct Script {
    asked: Mutex<Vec<String>>,
    plays: Mutex<VecDeque<Play>>,
    broken: Mutex<HashSet<&'static str>>,
    /// How long a play may take.
    limit: Duration,
    /// How long a build may take, and what the next one waits for.
    ready_limit: Duration,
    build_waits: Mutex<Option<Receiver<()>>>,
    mend_waits: Mutex<Option<Receiver<()>>>,
    stop: StopFlag,
}

impl Script {
    fn asks(&self, what: &'static str) -> Result<()> {
        locked(&self.asked).push(what.to_owned());
        if locked(&self.broken).contains(what) { Err(Failure::new(what, "it is scripted")) } else { Ok(()) }
    }
}

impl Builder for Script {
    type Fixture = ();

    fn build(&self, _: &Profile) -> Result<()> {
        let waits = locked(&self.build_waits).take();
        let _ = waits.map(|until| until.recv());
        self.asks("build")
    }

    fn glance(&self, (): &()) -> Result<()> {
        self.asks("glance")
    }

    fn mend(&self, (): &(), is_news: bool) -> Result<()> {
        let waits = locked(&self.mend_waits).take();
        let _ = waits.map(|until| until.recv());
        self.asks(if is_news { "mend and keep the news" } else { "mend" })
    }

    fn leave(&self, (): &(), _is_news: bool, _next: &Profile) {}

    fn restore(&self, _: &Failure) -> Result<()> {
        self.asks("restore")
    }

    fn clear(&self, _: &Failure) -> Result<()> {
        if locked(&self.broken).contains("interrupted clear") {
            self.stop.set();
            return Err(Failure::new("clear", "the run was interrupted"));
        }
        self.asks("clear")
    }
}

impl Player for Script {
    fn ready_limit(&self, _: &Profile) -> Duration {
        self.ready_limit
    }

    fn limit(&self, _: &Scenario, (): &(), _: Seed) -> Duration {
        self.limit
    }

    fn play(&self, scenario: &Scenario, (): &(), context: &Context<'_>) -> Played {
        let slow = if context.pace == Pace::default() { "" } else { " slower" };
        locked(&self.asked).push(format!("play{slow}"));
        let play = locked(&self.plays).pop_front();
        play.map_or_else(|| came_to(&scenario.name(), Verdict::Passed), |play| play(context))
    }

    fn last_look(&self, scenario: &str, (): &(), was_whole: bool, _: &ScenarioFile) -> Option<Outcome> {
        let last = if was_whole { "last look" } else { "last look in doubt" };
        let found = self.asks(last).is_err();
        found.then(|| Outcome::new(scenario, Verdict::Failed, SystemTime::now()))
    }

    fn floor(&self, _: &Scenario, (): &(), _: Seed) -> Result<Option<Duration>> {
        self.asks("floor").map(|()| Some(Duration::from_secs(2)))
    }
}

fn came_to(name: &str, verdict: Verdict) -> Played {
    Played { outcome: Outcome::new(name, verdict, SystemTime::now()), again: None }
}

/// A stage whose run is in a folder of its own.
struct Ground {
    folder: TempDir,
    stage: Arc<Stage<Script>>,
}

impl Ground {
    fn new() -> Ground {
        Ground::limited(Duration::from_secs(3600), false)
    }

    /// A stage whose plays have a given limit.
    fn limited(limit: Duration, floors: bool) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let file = ScenarioFile::parse("scenarios.toml", include_str!("../../scenarios.toml")).unwrap();
        let run = Run::create(folder.path(), None, None, None, None, None).unwrap();
        let stop = StopFlag::new();
        let script = Script {
            asked: Mutex::default(),
            plays: Mutex::default(),
            broken: Mutex::default(),
            limit,
            ready_limit: limit.max(Duration::from_secs(1)),
            build_waits: Mutex::default(),
            mend_waits: Mutex::default(),
            stop: stop.clone(),
        };
        let stage = Stage {
            slot: Slot::new(script),
            profile: file.profile("lab").unwrap().clone(),
            run: Arc::new(run),
            file,
            seed: Seed(42),
            stop,
            floors: floors.then(Mutex::default),
            status: None,
        };
        Ground { folder, stage: Arc::new(stage) }
    }

    fn script(&self) -> &Script {
        self.stage.slot.builder()
    }

    /// Scripts the next play.
    fn then(&self, play: impl FnOnce(&Context<'_>) -> Played + Send + 'static) -> &Ground {
        locked(&self.script().plays).push_back(Box::new(play));
        self
    }

    /// Plays a scenario, and returns the reason why it proves nothing, or the text of its failure.
    fn play(&self, name: &str) -> Result<Option<String>, String> {
        let outcome = self.stage.play(name.parse().unwrap());
        match outcome.verdict {
            Verdict::Passed => Ok(None),
            Verdict::Ignored | Verdict::Interrupted | Verdict::NotRun => Ok(outcome.reason),
            Verdict::Failed | Verdict::Error => Err(outcome.failure_text()),
        }
    }

    /// The script's calls since the last use of this function.
    fn asked(&self) -> Vec<String> {
        locked(&self.script().asked).drain(..).collect()
    }

    fn events(&self) -> Vec<Event> {
        read(self.stage.run.path()).unwrap().into_iter().map(|(_, event)| event).collect()
    }

    /// The last outcome in the record.
    fn outcome(&self) -> Outcome {
        let finished = self.events().into_iter().rev().find_map(|event| match event {
            Event::ScenarioFinished(outcome) => Some(outcome),
            _ => None,
        });
        finished.unwrap()
    }
}

#[test]
fn after_a_proof_the_next_scenario_needs_only_a_glance() {
    let ground = Ground::new();
    assert_eq!(ground.play(NAME), Ok(None));
    assert_eq!(ground.play(NAME), Ok(None));
    assert_eq!(ground.asked(), ["build", "play", "glance", "play"]);
    assert_eq!(ground.outcome().verdict, Verdict::Passed);
}

#[test]
fn after_a_failure_the_fleet_is_looked_at_closely() {
    let ground = Ground::new();
    ground.then(|_| came_to(NAME, Verdict::Failed));
    assert!(ground.play(NAME).unwrap_err().contains("run just this: cargo test"));
    ground.play(NAME).unwrap();
    assert_eq!(ground.asked(), ["build", "play", "mend", "play"]);
}

#[test]
fn what_is_lost_after_a_scenario_that_the_stack_refused_is_mended_and_reported() {
    let ground = Ground::new();
    let refused = |_: &Context<'_>| came_to(NAME, Verdict::Ignored);
    ground.then(refused).then(refused).then(|_| came_to(NAME, Verdict::Error));
    ground.play(NAME).unwrap();
    ground.play(NAME).unwrap();
    assert_eq!(ground.asked(), ["build", "play", "mend and keep the news", "play"]);
    assert_eq!(ground.stage.last_look(), None);
    ground.play(NAME).unwrap_err();
    assert_eq!(ground.stage.last_look(), None);
    assert_eq!(ground.asked(), ["last look", "mend and keep the news", "play", "last look in doubt"]);
}

#[test]
fn a_last_look_follows_the_last_scenario() {
    let ground = Ground::new();
    assert_eq!(ground.stage.release(), None);
    assert_eq!(ground.asked(), [""; 0], "nothing stands");
    ground.play(NAME).unwrap();
    assert_eq!(ground.stage.release(), None);
    assert_eq!(ground.asked(), ["build", "play", "last look"]);
}

#[test]
fn what_happened_after_the_last_scenario_is_charged_to_it() {
    let ground = Ground::new();
    ground.then(|_| came_to(NAME, Verdict::Failed));
    ground.play(NAME).unwrap_err();
    locked(&ground.script().broken).insert("last look in doubt");
    let since = ground.stage.release().unwrap();
    let told = |outcome: Outcome| (outcome.scenario, outcome.verdict);
    assert_eq!(told(since), (NAME.to_owned(), Verdict::Failed));
    let finished = ground.events().into_iter().filter(|event| matches!(event, Event::ScenarioFinished(_)));
    assert_eq!(finished.count(), 2);
    assert_eq!(ground.asked(), ["build", "play", "last look in doubt"]);
}

#[test]
fn an_interrupted_run_takes_no_last_look() {
    let ground = Ground::new();
    ground.play(NAME).unwrap();
    ground.stage.stop.set();
    assert_eq!(ground.stage.release(), None);
    assert_eq!(ground.asked(), ["build", "play"]);
}

#[test]
fn a_fleet_that_cannot_be_built_is_an_error_and_nothing_is_played() {
    let ground = Ground::new();
    locked(&ground.script().broken).insert("build");
    assert!(ground.play(NAME).unwrap_err().contains("it is scripted"));
    assert_eq!(ground.asked(), ["build"]);
    assert_eq!(ground.outcome().verdict, Verdict::Error);
}

#[test]
fn a_scenario_that_begins_after_the_interruption_touches_nothing() {
    let ground = Ground::new();
    ground.stage.stop.set();
    assert_eq!(ground.play(NAME), Ok(Some("the run was interrupted before it began".into())));
    assert_eq!(ground.asked(), Vec::<String>::new());
    assert_eq!(ground.outcome().verdict, Verdict::NotRun);
}

#[test]
fn a_fleet_that_is_lost_to_an_interruption_is_no_error() {
    let ground = Ground::new();
    ground.play(NAME).unwrap();
    ground.stage.slot.doubted();
    locked(&ground.script().broken).extend(["mend", "restore", "interrupted clear"]);
    assert_eq!(ground.play(NAME), Ok(Some("cannot clear: the run was interrupted".into())));
    assert_eq!(ground.outcome().verdict, Verdict::Interrupted);
}

/// The result of a play that is worth another one.
fn missed() -> Played {
    let again = Again { pace: Pace::default().slowed(2), why: "all was across", explains: 1 };
    Played { again: Some(again), ..came_to(NAME, Verdict::Failed) }
}

#[test]
fn a_play_that_is_worth_another_is_played_again_and_the_record_says_why() {
    let ground = Ground::new();
    ground.then(|_| missed());
    assert_eq!(ground.play(NAME), Ok(None));
    assert_eq!(ground.asked(), ["build", "play", "mend", "play slower"]);
    let outcome = ground.outcome();
    assert_eq!((outcome.verdict, outcome.numbers.played), (Verdict::Passed, Some(2)));
    let repair = |event: &Event| match event {
        Event::Repair { part, what, why } => Some((*part, what.clone(), why.clone())),
        _ => None,
    };
    let expected = (RepairedPart::Scenario, format!("play {NAME} again"), "all was across".to_owned());
    assert_eq!(ground.events().iter().find_map(repair), Some(expected));
}

#[test]
fn a_second_play_is_the_last() {
    let ground = Ground::new();
    ground.then(|_| missed()).then(|_| missed());
    assert!(ground.play(NAME).is_err());
    assert_eq!(ground.asked(), ["build", "play", "mend", "play slower"]);
}

#[test]
fn without_a_whole_fleet_there_is_no_second_play_and_the_first_counts() {
    let ground = Ground::new();
    ground.then(|_| missed());
    for rung in ["mend", "restore", "clear"] {
        locked(&ground.script().broken).insert(rung);
    }
    assert!(ground.play(NAME).is_err());
    assert_eq!(ground.asked(), ["build", "play", "mend", "restore", "clear"]);
    assert_eq!((ground.outcome().verdict, ground.outcome().numbers.played), (Verdict::Failed, None));
}

#[test]
fn each_play_has_a_folder_of_its_own() {
    let ground = Ground::new();
    let (tell, told): (Sender<PathBuf>, Receiver<PathBuf>) = channel();
    let tell_again = tell.clone();
    ground
        .then(move |context| {
            tell.send(context.folder.to_owned()).unwrap();
            missed()
        })
        .then(move |context| {
            tell_again.send(context.folder.to_owned()).unwrap();
            came_to(NAME, Verdict::Passed)
        });
    ground.play(NAME).unwrap();
    let folders: Vec<PathBuf> = told.iter().collect();
    assert!(folders[0] != folders[1] && folders.iter().all(|folder| folder.is_dir()), "{folders:?}");
    assert!(folders.iter().all(|folder| folder.starts_with(ground.folder.path())));
}

#[test]
fn a_panic_is_an_error_with_its_words_and_the_run_goes_on() {
    let ground = Ground::new();
    ground.then(|_| panic!("out of cheese"));
    assert!(ground.play(NAME).unwrap_err().contains("the scenario panicked: out of cheese"));
    assert_eq!(ground.play(NAME), Ok(None));
    assert_eq!(ground.asked(), ["build", "play", "mend", "play"]);
}

#[test]
fn a_play_that_hangs_is_left_at_its_limit_and_everything_is_made_anew() {
    let ground = Ground::limited(Duration::from_millis(10), false);
    let (_hold, held) = channel::<()>();
    ground.then(move |_| {
        // This blocks until the test ends.
        let _ = held.recv();
        came_to(NAME, Verdict::Passed)
    });
    assert!(ground.play(NAME).unwrap_err().contains("something hangs"));
    assert_eq!(ground.outcome().verdict, Verdict::Error);
    assert!(ground.stage.fleet(&ground.stage.profile).is_ok());
    // The play may note itself at any time, because only its limit is over.
    let asked: Vec<String> = ground.asked().into_iter().filter(|what| what != "play").collect();
    assert_eq!(asked, ["build", "clear", "build"]);
}

#[test]
fn a_build_that_hangs_is_left_at_its_limit_and_spoils_nothing_when_it_ends() {
    let ground = Ground::limited(Duration::from_millis(10), false);
    let (hold, held) = channel();
    *locked(&ground.script().build_waits) = Some(held);
    let text = ground.play(NAME).unwrap_err();
    assert!(text.contains("the repair of what it stands on did not end"), "{text}");
    assert_eq!(ground.outcome().verdict, Verdict::Error);
    // What could never be built is not tried again, and nobody waits for it.
    assert!(ground.stage.fleet(&ground.stage.profile).is_err());
    assert_eq!(ground.asked(), [] as [&str; 0]);
    hold.send(()).unwrap();
    let asked =
        wait_for("the build to end", Duration::from_secs(5), &StopFlag::new(), || match ground.asked() {
            asked if asked.is_empty() => Poll::NotYet("it goes on".into()),
            asked => Poll::Ready(asked),
        });
    assert_eq!(asked.unwrap(), ["build"], "what was abandoned plays nothing");
    assert!(ground.stage.fleet(&ground.stage.profile).is_err());
}

#[test]
fn a_repair_that_was_given_up_goes_no_further_when_it_fails_at_last() {
    let ground = Ground::limited(Duration::from_secs(1), false);
    ground.play(NAME).unwrap();
    ground.stage.slot.doubted();
    let (hold, held) = channel();
    *locked(&ground.script().mend_waits) = Some(held);
    ground.play(NAME).unwrap_err();
    assert!(ground.stage.fleet(&ground.stage.profile).is_ok());
    ground.asked();
    locked(&ground.script().broken).insert("mend");
    hold.send(()).unwrap();
    let asked =
        wait_for("the repair to end", Duration::from_secs(5), &StopFlag::new(), || match ground.asked() {
            asked if asked.is_empty() => Poll::NotYet("it goes on".into()),
            asked => Poll::Ready(asked),
        });
    assert_eq!(asked.unwrap(), ["mend"]);
    locked(&ground.script().broken).clear();
    assert!(ground.stage.fleet(&ground.stage.profile).is_ok());
    assert_eq!(ground.asked(), ["mend"], "neither restored nor cleared: that is the next scenario's");
}

thread_local! {
    /// Sender that closes when its thread ends, after everything that the thread does.
    static AT_END: Cell<Option<Sender<()>>> = const { Cell::new(None) };
}

#[test]
fn a_play_that_was_abandoned_proves_nothing_later() {
    let ground = Ground::limited(Duration::from_millis(50), false);
    let ((hold, held), (tell, ended)) = (channel::<()>(), channel::<()>());
    ground.then(move |_| {
        let _ = held.recv();
        AT_END.set(Some(tell));
        came_to(NAME, Verdict::Passed)
    });
    ground.play(NAME).unwrap_err();
    ground.stage.fleet(&ground.stage.profile).unwrap();
    hold.send(()).unwrap();
    ended.recv().expect_err("the thread has said nothing, and ended");
    ground.asked();
    ground.stage.fleet(&ground.stage.profile).unwrap();
    assert_eq!(ground.asked(), ["mend"], "a glance would do after a proof");
}

/// A check that failed.
fn found(check: &str) -> Event {
    Event::CheckFailed(Finding {
        expected: "whole".into(),
        seen: "spoilt".into(),
        ..Finding::in_a_test(check)
    })
}

#[test]
fn what_was_found_before_a_panic_is_told_and_in_the_record_once() {
    let ground = Ground::new();
    ground.then(|context| {
        context.record.write(&Event::ScenarioStarted { scenario: NAME.into(), ignored: false }).unwrap();
        context.record.write(&found("memory")).unwrap();
        panic!("out of cheese")
    });
    let text = ground.play(NAME).unwrap_err();
    assert!(text.contains("out of cheese") && text.contains("memory\n  expected: whole"), "{text}");
    assert_eq!(ground.outcome().findings, [], "the record has them as failed checks");
    ground.stage.run.close(None).unwrap();
    let path = ground.stage.run.path();
    let outcomes = results_from_record(path).unwrap().outcomes;
    assert_eq!(outcomes[0].failure_text(), text);
    let again = ground.folder.path().join("again.xml");
    junit::write(&again, &results_from_record(path).unwrap()).unwrap();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&path.join(JUNIT_FILE)), read(&again), "a report is the same of a run and of its record");
}

#[test]
fn a_play_that_was_abandoned_writes_nothing_later() {
    let ground = Ground::limited(Duration::from_millis(10), false);
    let ((hold, held), (tell, ended)) = (channel::<()>(), channel());
    ground.then(move |context| {
        let _ = held.recv();
        context.record.write(&found("memory")).unwrap();
        tell.send(()).unwrap();
        came_to(NAME, Verdict::Passed)
    });
    ground.play(NAME).unwrap_err();
    hold.send(()).unwrap();
    ended.recv().unwrap();
    assert!(!ground.events().iter().any(|event| matches!(event, Event::CheckFailed(_))));
}

#[test]
fn the_floor_is_measured_once_a_mode_and_order_and_only_after_a_pass() {
    let ground = Ground::limited(Duration::from_secs(3600), true);
    ground.then(|_| came_to(NAME, Verdict::Failed));
    ground.play(NAME).unwrap_err();
    assert_eq!(ground.asked(), ["build", "play"]);
    ground.play(NAME).unwrap();
    assert_eq!(ground.outcome().numbers.floor_s, Some(2.0));
    ground.play("precopy_orderly::in_vms::stress_memory").unwrap();
    assert_eq!(ground.asked(), ["mend", "play", "floor", "glance", "play"]);
    assert_eq!(ground.outcome().numbers.floor_s, None);
}

#[test]
fn a_floor_that_fails_changes_no_verdict_and_raises_doubt() {
    let ground = Ground::limited(Duration::from_secs(3600), true);
    locked(&ground.script().broken).insert("floor");
    assert_eq!(ground.play(NAME), Ok(None));
    assert!(ground.outcome().reason.unwrap().contains("it is scripted"));
    ground.play(NAME).unwrap();
    assert_eq!(ground.asked(), ["build", "play", "floor", "mend", "play"]);
}

#[test]
fn an_outcome_has_the_seed_that_its_order_draws_from() {
    let ground = Ground::new();
    ground.play(NAME).unwrap();
    assert_eq!((ground.outcome().seed, ground.outcome().ignored), (None, false));
    ground.play(RANDOM).unwrap();
    assert_eq!((ground.outcome().seed, ground.outcome().ignored), (Some(42), true));
}

#[test]
fn a_panic_is_an_error_with_its_words() {
    let started = SystemTime::now() - Duration::from_secs(3);
    let outcome = panicked("precopy_orderly::in_vms::stress_cpu", started, "out of cheese");
    assert_eq!(outcome.verdict, Verdict::Error);
    assert!(outcome.failure_text().contains("the scenario panicked: out of cheese"));
    assert!(outcome.duration >= Duration::from_secs(3));
}
