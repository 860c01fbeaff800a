//! Signals at every point of a run: SIGTERM and Ctrl-C end it soon, also while what it waits for hangs, `kill -9` at once, and nothing
//! stays on the machine that was not there before, at the latest after the next command.

#[path = "../again/mod.rs"]
mod again;
#[path = "../frozen/mod.rs"]
mod frozen;
mod traces;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use multivm::failure::Result as Attempted;
use multivm::harness::one_at_a_time;
use multivm::ledger::{Ledger, state_directory};
use multivm::plan::{SEED_VARIABLE, Seed};
use multivm::sys::random::Random;
use multivm_fixtures::selftest::{halt_host, halt_libvirtd, halt_nfs_server};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use again::Run;
use frozen::FrozenDisk;
use traces::Traces;

/// Set for the run that gets the signals, which is this program, started again as the scenarios' target.
const CHILD: &str = "MULTIVM_SELFTEST_SIGNALLED";

const SCENARIO: &str = "precopy_simultaneous::in_vms::stress_cpu";

/// Every third moment has the same signal.
const SIGNALS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL];

/// As many moments, over the time that the run takes.
const MOMENTS: usize = 12;

/// The longest time from a signal to the end.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest time from a signal to the words that it was heard.
const ANSWER: Duration = Duration::from_secs(2);

/// What a run says as soon as it hears the signal.
const HEARD: &str = "multivm: interrupted; aborting migrations and cleaning up";

/// The longest time for a run without a signal. It may have to make images.
const RUN_LIMIT: Duration = Duration::from_secs(900);

/// How long something hangs before Ctrl-C: whoever waits for it has begun to.
const HANGING: Duration = Duration::from_secs(1);

/// Lets something hang.
type Halt = fn() -> Attempted<()>;

/// What hangs in the middle of a run. Each is a run of its own with a lab that stops slowly, so that only `--ignored` plays them.
const HANGS: [(&str, Halt); 4] = [
    ("signals::while_the_nfs_server_hangs", halt_nfs_server),
    ("signals::while_the_libvirtd_of_the_source_hangs", || halt_libvirtd("source")),
    ("signals::while_the_libvirtd_of_the_target_hangs", || halt_libvirtd("target")),
    ("signals::while_the_init_of_the_target_hangs", || halt_host("target")),
];

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return multivm::harness::main();
    }
    let whole = trial("signals::at_every_point_of_a_run", at_every_point_of_a_run);
    let hangs = HANGS.map(|(name, halt)| trial(name, move || while_it_hangs(halt)).with_ignored_flag(true));
    let results = [
        trial("signals::while_the_results_folder_hangs", while_the_results_folder_hangs),
        trial(
            "signals::without_one_while_the_results_folder_hangs",
            without_one_while_the_results_folder_hangs,
        ),
    ];
    let results = results.map(|trial| trial.with_ignored_flag(true));
    let trials = [whole].into_iter().chain(hangs).chain(results).collect();
    libtest_mimic::run(&one_at_a_time(&Arguments::from_args()), trials).exit_code()
}

fn trial(name: &str, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::ignorable_test(name, || {
        if !geteuid().is_root() {
            return Ok(Completion::ignored_with("needs root"));
        }
        test().map(|()| Completion::Completed)
    })
}

/// Ctrl-C while guests migrate and what they stand on hangs.
fn while_it_hangs(halt: Halt) -> Result<(), Failed> {
    let before = Traces::of_this_machine()?;
    let mut run = start()?;
    run.until(RUN_LIMIT, |folder| migrates(&folder.join("results")));
    halt()?;
    run.until(HANGING, |_| false);
    run.signal(Signal::SIGINT)?;
    let sent = Instant::now();
    run.says(HEARD, ANSWER)?;
    let (status, _) = run.ends(LIMIT)?;
    let what = format!("{} while it hangs", Signal::SIGINT);
    eprintln!("signals: {what}: {status}, {:.1} s later", sent.elapsed().as_secs_f64());
    expect(status.code() == Some(130), &what, &format!("it ended with {status}"))?;
    reap(&what)?;
    leaves_nothing(&before, &what)
}

/// A run whose results folder has just begun to hang, while guests migrate.
fn with_results_that_hang(disk: &FrozenDisk) -> Result<Run, Failed> {
    let results = disk.path().join("results");
    let mut run = start_with(|command| command.env("MULTIVM_RESULTS", &results))?;
    run.until(RUN_LIMIT, |_| migrates(&results));
    disk.freeze()?;
    Ok(run)
}

/// Ctrl-C while nothing can be written or read in the results folder: the machine is given back, and what is lost is said.
fn while_the_results_folder_hangs() -> Result<(), Failed> {
    let before = Traces::of_this_machine()?;
    let disk = FrozenDisk::new()?;
    let mut run = with_results_that_hang(&disk)?;
    run.until(HANGING, |_| false);
    run.signal(Signal::SIGINT)?;
    let sent = Instant::now();
    run.says(HEARD, ANSWER)?;
    run.is_over(LIMIT)?;
    eprintln!("signals: while the results hang: it is over {:.1} s later", sent.elapsed().as_secs_f64());
    says_what_is_lost(run, &disk, &before)
}

/// A run whose results folder hangs ends by itself, with what is lost in its words and its status.
fn without_one_while_the_results_folder_hangs() -> Result<(), Failed> {
    let before = Traces::of_this_machine()?;
    let disk = FrozenDisk::new()?;
    let run = with_results_that_hang(&disk)?;
    run.is_over(RUN_LIMIT)?;
    says_what_is_lost(run, &disk, &before)
}

/// Asserts that a run has given the machine back before its disk answers, and how it ends when it does.
fn says_what_is_lost(run: Run, disk: &FrozenDisk, before: &Traces) -> Result<(), Failed> {
    let (what, said) = ("while the results hang", run.said());
    for words in ["has not answered for ", " of its lines are missing (", "If process "] {
        expect(said.contains(words), what, &format!("{words:?} is not in:\n{said}"))?;
    }
    let left = Ledger::peek(&state_directory())?.outstanding;
    expect(left.is_empty(), what, &format!("left in the ledger: {left:?}"))?;
    disk.thaw()?;
    let (status, _) = run.ends(LIMIT)?;
    expect(status.code() == Some(1), what, &format!("it ended with {status}:\n{said}"))?;
    reap(what)?;
    leaves_nothing(before, what)
}

/// Whether the run of these results has begun a migration.
fn migrates(results: &Path) -> bool {
    let record = results.join("latest/record.jsonl");
    fs::read_to_string(record).is_ok_and(|record| record.contains(r#""event":"leg_started""#))
}

/// The next command clears what a run left.
fn reap(what: &str) -> Result<(), Failed> {
    let reaped = Command::new(env!("CARGO_BIN_EXE_multivm")).arg("reap").status()?;
    expect(reaped.success(), what, &format!("multivm reap: {reaped}"))
}

fn leaves_nothing(before: &Traces, what: &str) -> Result<(), Failed> {
    let left = Traces::of_this_machine()?.beside(before);
    expect(left.is_empty(), what, &format!("left: {}", left.join(", ")))
}

fn at_every_point_of_a_run() -> Result<(), Failed> {
    let seed = std::env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(Seed::chosen);
    eprintln!("signals: {SEED_VARIABLE}={seed} sends them at the same moments again");
    let before = Traces::of_this_machine()?;
    // The first one may have to make images: the second one is as long as those that follow.
    let mut took = Duration::ZERO;
    for _ in 0..2 {
        let begin = Instant::now();
        let whole = start()?.ends(RUN_LIMIT)?.0;
        expect(whole.success(), "without a signal", &format!("it ended with {whole}"))?;
        took = begin.elapsed();
    }
    let mut draw = Random(seed.0);
    let mut under_way = 0;
    for number in 0..MOMENTS {
        let signal = SIGNALS[number % SIGNALS.len()];
        let part = took / MOMENTS as u32;
        let moment = part * number as u32 + part.mul_f64(draw.below(1000) as f64 / 1000.0);
        let what = format!("{signal} after {:.1} of {:.1} s", moment.as_secs_f64(), took.as_secs_f64());
        let (status, until_end) = start()?.signalled(signal, moment, LIMIT)?;
        eprintln!("signals: {what}: {status}, {:.1} s later", until_end.as_secs_f64());
        under_way += usize::from(!status.success());
        expect(until_end < LIMIT, &what, "it ends too late")?;
        if signal == Signal::SIGKILL {
            reap(&what)?;
        } else {
            // The signal ends a process that has begun nothing yet.
            let ended = matches!(status.code(), Some(0 | 130)) || status.signal() == Some(signal as i32);
            expect(ended, &what, &format!("it ended with {status}"))?;
        }
        leaves_nothing(&before, &what)?;
    }
    // Runs are not equally long: some may be over.
    expect(under_way >= MOMENTS / 2, "the signals", &format!("only {under_way} came while the run went on"))?;
    let after = start()?.ends(RUN_LIMIT)?.0;
    expect(after.success(), "after all signals", &format!("a run ended with {after}"))
}

fn expect(held: bool, what: &str, seen: &str) -> Result<(), Failed> {
    if held { Ok(()) } else { Err(format!("{what}: {seen}").into()) }
}

/// What this test is selected by.
const SELECTED_BY: [&str; 5] =
    ["MULTIVM_SET", "MULTIVM_SHARD", "MULTIVM_SIZING", "MULTIVM_JUNIT", "MULTIVM_FLOOR"];

fn start() -> Result<Run, Failed> {
    start_with(|command| command)
}

fn start_with(prepare: impl FnOnce(&mut Command) -> &mut Command) -> Result<Run, Failed> {
    Run::start(SCENARIO, |name| SELECTED_BY.contains(&name), |command| prepare(command.env(CHILD, "1")))
}
