//! The keeper: a process that takes a lab down when another process ends. It is this program, started again with a hidden
//! argument.
//!
//! The keeper holds nothing while it waits, so that other processes can take the lock, and it is not in the ledger, since it
//! ends by itself. If the keeper is killed, the ledger still says how long the lab was to stay, and the next command clears
//! it.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Attempt, Failure, Result};
use crate::ledger::{Ledger, Lock, Owner, state_directory};
use crate::stand::pair;
use crate::sys::process;
use crate::sys::terminal;

const KEEPER: &str = "__multivm-keeper";

/// The keeper's word when no signal to its parent can end the keeper any more.
const READY: &str = "ready";

/// How often the keeper looks whether the owner lives.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long a command at work may go on after the owner has gone: it notices the end as well, aborts its migrations and
/// collects its evidence.
const PATIENCE: Duration = Duration::from_secs(600);

/// Starts a keeper that takes the lab down when `owner` ends, however it ends. `log` gets the keeper's failures.
///
/// The caller holds the machine's lock, so that no other command starts a second keeper.
pub fn take_down_after(owner: &Owner, log: &Path) -> Result<()> {
    if is_running(owner) {
        return Ok(());
    }
    let attempted = || format!("start the process that takes the lab down when {owner} ends");
    let program = std::env::current_exe().attempting(attempted)?;
    let noted = || format!("open {}", log.display());
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).attempting(noted)?;
    }
    let log = OpenOptions::new().create(true).append(true).open(log).attempting(noted)?;
    let mut child = Command::new(program)
        .args(arguments(owner))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        // A working directory in a mount would keep that mount busy.
        .current_dir("/")
        .spawn()
        .attempting(attempted)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).attempting(attempted)?;
    }
    if line.trim_end() == READY {
        return Ok(());
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(Failure::new(attempted(), "it ended at once"))
}

fn arguments(owner: &Owner) -> [String; 3] {
    [KEEPER.to_owned(), owner.pid.to_string(), owner.start.to_string()]
}

/// Whether a keeper waits for that owner already, by `/proc`: a note on disk could outlive the keeper.
fn is_running(owner: &Owner) -> bool {
    process::runs_with(&arguments(owner))
}

/// Answers the hidden argument. Every program that may start a keeper calls this first in `main`.
pub fn hidden_entry() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != KEEPER {
        return None;
    }
    let owner =
        (|| Some(Owner { pid: arguments.next()?.parse().ok()?, start: arguments.next()?.parse().ok()? }))();
    let Some(owner) = owner else { return Some(ExitCode::from(2)) };
    Some(match wait_and_take_down(&owner) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failures) => {
            for failure in failures {
                terminal::say(&format!("multivm: {failure}"));
            }
            ExitCode::FAILURE
        }
    })
}

fn wait_and_take_down(owner: &Owner) -> Result<(), Vec<Failure>> {
    let one = |failure| vec![failure];
    // A session of its own keeps the keeper out of the process group that nextest ends with a test, and away from the
    // terminal's Ctrl-C.
    nix::unistd::setsid().attempting(|| "leave the session".into()).map_err(one)?;
    let told = writeln!(std::io::stdout(), "{READY}").and_then(|()| std::io::stdout().flush());
    told.attempting(|| "answer".into()).map_err(one)?;

    while owner.is_alive() {
        thread::sleep(INTERVAL);
    }
    // The hosts of a pair may be machines that this machine's own ledger has: they go last.
    let mut failures = Vec::new();
    let own = pair::states().into_iter().filter(|directory| is_for(directory, owner));
    for directory in own.chain([state_directory()]) {
        failures.extend(take_down(&directory).err().unwrap_or_default());
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// Whether a ledger of a pair may have something of the owner's: others' runs go on.
fn is_for(directory: &Path, owner: &Owner) -> bool {
    Ledger::peek(directory).is_ok_and(|peek| {
        !peek.outstanding.is_empty() && peek.until.as_ref().is_none_or(|until| until == owner)
    })
}

/// Undoes what a ledger has, unless it is kept.
fn take_down(directory: &Path) -> Result<(), Vec<Failure>> {
    let one = |failure| vec![failure];
    let lock = lock(directory).map_err(one)?;
    let ledger = Ledger::open_with(directory, pair::put_back).map_err(one)?;
    // Meanwhile `multivm lab up`, or a command for another process, may have kept the lab.
    if ledger.is_kept() {
        return Ok(());
    }
    let failures = ledger.undo_all();
    drop(lock);
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// Takes the lock as soon as the command at work has ended.
fn lock(directory: &Path) -> Result<Lock> {
    let begin = Instant::now();
    loop {
        match Lock::take_to_end(directory) {
            Err(_) if begin.elapsed() < PATIENCE => thread::sleep(INTERVAL),
            result => return result,
        }
    }
}
