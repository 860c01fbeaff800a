//! A run of several processes, as cargo-nextest makes one: the lab stays up between them, and what befalls it there is the later one's
//! finding.

#[path = "again/mod.rs"]
#[allow(dead_code)]
mod again;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::unistd::geteuid;

use again::Run;
use multivm::plan::{Leg, Order, PlanInput, SEED_VARIABLE, Seed, Step};
use multivm::record::{Event, read};

/// Set for a process of the run, which is this program, started again as the scenarios' target.
const CHILD: &str = "MULTIVM_SELFTEST_PROCESS";

const SCENARIO: &str = "precopy_orderly::in_vms::stress_cpu";

/// The longest time for one process. The first one may have to make images.
const LIMIT: Duration = Duration::from_secs(900);

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return multivm::harness::main();
    }
    let trials = [
        trial("processes::qemu_aborts_between_two", qemu_aborts_between_two),
        trial("processes::printed_seed_replays_the_moves", printed_seed_replays_the_moves),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn trial(name: &str, test: fn() -> Result<(), Failed>) -> Trial {
    let test = move || {
        if !geteuid().is_root() {
            return Ok(Completion::ignored_with("needs root"));
        }
        test().map(|()| Completion::Completed)
    };
    Trial::ignorable_test(name, test).with_ignored_flag(true)
}

fn qemu_aborts_between_two() -> Result<(), Failed> {
    let results = tempfile::tempdir()?;
    let play = || play(results.path(), SCENARIO, &[]);
    let (first, said) = play()?;
    expect(first.success(), "of a healthy lab", &said)?;
    // The kernel of this machine is the hosts' kernel.
    let abort = "pid=$(pgrep -o -f guest=vm2,) && kill -ABRT $pid && while kill -0 $pid 2> /dev/null; do sleep 0.1; done; sleep 1";
    let aborted = Command::new("timeout").args(["30", "sh", "-c", abort]).status()?;
    expect(aborted.success(), "abort the QEMU of vm2", &aborted.to_string())?;
    let (second, said) = play()?;
    let found = ["vm2", "stopped (crashed) on source at ", ", between the last scenario and this one"];
    let tells = found.iter().all(|words| said.contains(words));
    expect(!second.success() && tells, "after the QEMU of vm2 has aborted", &said)?;
    let (third, said) = play()?;
    expect(third.success(), "once more", &said)
}

/// A run without a seed chooses one. The moves that it made are those that `explain` tells of the seed that it printed, and a run with
/// that seed makes the same ones.
fn printed_seed_replays_the_moves() -> Result<(), Failed> {
    const RANDOM: &str = "precopy_random::in_vms::stress_cpu";
    let play = |seed: &str| -> Result<(Vec<String>, String), Failed> {
        let results = tempfile::tempdir()?;
        let (status, said) = play(results.path(), RANDOM, &[(SEED_VARIABLE, seed), ("MULTIVM_ROUNDS", "2")])?;
        expect(status.success(), "a run of a random order", &said)?;
        Ok((steps_of(results.path())?, said))
    };
    let (moves, said) = play("")?;
    let seed = said.split_once(&format!("{SEED_VARIABLE}=")).and_then(|(_, rest)| rest.split(' ').next());
    let seed: Seed = seed.ok_or("a run of a random order prints no seed")?.parse()?;
    let plan = PlanInput { guests: 2, rounds: 2, seed };
    let planned: Vec<String> = Order::Random.steps(&plan)?.iter().map(Step::to_string).collect();
    expect(moves == planned, &format!("the moves of the seed {seed}, {planned:?}"), &format!("{moves:?}"))?;
    let (again, _) = play(&seed.to_string())?;
    expect(
        again == moves,
        &format!("the moves of the seed {seed} once more, {moves:?}"),
        &format!("{again:?}"),
    )
}

/// The steps of the only scenario below a results folder, in words, as its record has them.
fn steps_of(results: &Path) -> Result<Vec<String>, Failed> {
    let records: Vec<_> = walk(results)?.into_iter().filter(|path| path.ends_with("record.jsonl")).collect();
    let mut steps: BTreeMap<u32, Vec<Leg>> = BTreeMap::new();
    for path in records {
        let folder = path.parent().ok_or("a record is in a folder")?;
        for (_, event) in read(folder).map_err(|error| error.to_string())? {
            if let Event::LegStarted { guest, round, direction, step } = event {
                let number: usize = guest.trim_start_matches("vm").parse()?;
                steps.entry(step).or_default().push(Leg { guest: number - 1, direction, round });
            }
        }
    }
    Ok(steps.into_values().map(|legs| Step::of(legs).to_string()).collect())
}

/// All files below a folder.
fn walk(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(walk(&entry.path())?)
        } else {
            files.push(entry.path())
        }
    }
    Ok(files)
}

/// Plays a scenario in a process of its own, and gives what it said.
fn play(results: &Path, scenario: &str, variables: &[(&str, &str)]) -> Result<(ExitStatus, String), Failed> {
    let run = format!("selftest-{}", std::process::id());
    let started = Run::start(
        scenario,
        |name| name == CHILD,
        |command| {
            let command = command.env(CHILD, "1").env("MULTIVM_GUESTS", "2").envs(variables.iter().copied());
            // One of the matrix is played all the same.
            command.arg("--include-ignored").env("NEXTEST_RUN_ID", run).env("MULTIVM_RESULTS", results)
        },
    )?;
    let (status, folder) = started.ends(LIMIT)?;
    Ok((status, fs::read_to_string(folder.path().join("said"))?))
}

fn expect(holds: bool, what: &str, seen: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what}: {seen}").into()) }
}
