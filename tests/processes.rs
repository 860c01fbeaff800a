//! A run of several processes, as cargo-nextest makes one: the lab stays up between them, and what befalls it there is the later one's
//! finding.

#[path = "again/mod.rs"]
#[allow(dead_code)]
mod again;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::unistd::geteuid;

use again::Run;

/// Set for a process of the run, which is this program, started again as the scenarios' target.
const CHILD: &str = "MULTIVM_SELFTEST_PROCESS";

const SCENARIO: &str = "precopy_orderly::in_vms::stress_cpu";

/// The longest time for one process. The first one may have to make images.
const LIMIT: Duration = Duration::from_secs(900);

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return multivm::harness::main();
    }
    let trial = Trial::ignorable_test("processes::qemu_aborts_between_two", || {
        if !geteuid().is_root() {
            return Ok(Completion::ignored_with("needs root"));
        }
        qemu_aborts_between_two().map(|()| Completion::Completed)
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial.with_ignored_flag(true)]).exit_code()
}

fn qemu_aborts_between_two() -> Result<(), Failed> {
    let results = tempfile::tempdir()?;
    let play = || play(results.path());
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

/// Plays a scenario in a process of its own, and gives what it said.
fn play(results: &Path) -> Result<(ExitStatus, String), Failed> {
    let run = format!("selftest-{}", std::process::id());
    let started = Run::start(
        SCENARIO,
        |name| name == CHILD,
        |command| {
            let command = command.env(CHILD, "1").env("MULTIVM_GUESTS", "2");
            command.env("NEXTEST_RUN_ID", run).env("MULTIVM_RESULTS", results)
        },
    )?;
    let (status, folder) = started.ends(LIMIT)?;
    Ok((status, fs::read_to_string(folder.path().join("said"))?))
}

fn expect(holds: bool, what: &str, seen: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what}: {seen}").into()) }
}
