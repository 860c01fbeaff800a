//! Signals at every point of a run: SIGTERM and Ctrl-C end it soon, also while what it waits for hangs, `kill -9` at once, and nothing
//! stays on the machine that was not there before, at the latest after the next command.

#[path = "../again/mod.rs"]
mod again;
mod traces;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use multivm::failure::Result as Attempted;
use multivm::harness::one_at_a_time;
use multivm::plan::{SEED_VARIABLE, Seed};
use multivm::sys::random::Random;
use multivm_fixtures::selftest::{halt_host, halt_nfs_server};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use again::Run;
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

/// The longest time for a run without a signal. It may have to make images.
const RUN_LIMIT: Duration = Duration::from_secs(900);

/// How long something hangs before Ctrl-C: whoever waits for it has begun to.
const HANGING: Duration = Duration::from_secs(1);

/// Lets something hang.
type Halt = fn() -> Attempted<()>;

/// What hangs in the middle of a run. Each is a run of its own with a lab that stops slowly, so that only `--ignored` plays them.
const HANGS: [(&str, Halt); 2] = [
    ("signals::while_the_nfs_server_hangs", halt_nfs_server),
    ("signals::while_the_init_of_the_target_hangs", || halt_host("target")),
];

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return multivm::harness::main();
    }
    let whole = trial("signals::at_every_point_of_a_run", at_every_point_of_a_run);
    let hangs = HANGS.map(|(name, halt)| trial(name, move || while_it_hangs(halt)).with_ignored_flag(true));
    let trials = [whole].into_iter().chain(hangs).collect();
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
    run.until(RUN_LIMIT, migrates);
    halt()?;
    let (status, until_end) = run.signalled(Signal::SIGINT, HANGING, LIMIT)?;
    let what = format!("{} while it hangs", Signal::SIGINT);
    eprintln!("signals: {what}: {status}, {:.1} s later", until_end.as_secs_f64());
    expect(status.code() == Some(130), &what, &format!("it ended with {status}"))?;
    reap(&what)?;
    leaves_nothing(&before, &what)
}

/// Whether a run, by its folder, has begun a migration.
fn migrates(folder: &Path) -> bool {
    let record = folder.join("results/latest/record.jsonl");
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
    Run::start(SCENARIO, |name| SELECTED_BY.contains(&name), |command| command.env(CHILD, "1"))
}
