//! Runs on machine hosts that Ctrl-C ends, while they prepare the hosts and while guests move: both end soon, and the hosts are as
//! they were.

use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Failed};
use multivm::remote::Remote;
use nix::sys::signal::Signal;

use super::{ANSWER_LIMIT, RUN_LIMIT, Raised, expect, start};

/// The longest time from the signal to the beginning of the hosts' return.
const LIMIT: Duration = Duration::from_secs(30);

/// What a host has for taking one change back (src/stand/pair/undo.sh). All of them together take less.
const UNDO_LIMIT: Duration = Duration::from_secs(120);

/// The exit status of a run that was interrupted.
const INTERRUPTED: i32 = 130;

/// A moment of a run, by its folder and the target.
type Moment = fn(&Path, &Remote) -> bool;

const MOMENTS: [(&str, Moment); 2] = [
    ("while the hosts are prepared", |_, target| lease_has(target, "10-keys")),
    ("while a guest moves", |folder, _| is_moving(folder)),
];

/// Whether a guest of the run that writes to a folder moves.
pub fn is_moving(folder: &Path) -> bool {
    let record = std::fs::read_to_string(folder.join("results/latest/record.jsonl")).unwrap_or_default();
    let count = |event: &str| record.matches(&format!("\"event\":\"{event}\"")).count();
    count("leg_started") > count("leg_finished")
}

/// Whether a host's lease has what takes a change back.
pub fn lease_has(host: &Remote, change: &str) -> bool {
    let there = format!("[ -e /var/lib/multivm/lease/changes/{change} ]");
    host.run(&there, ANSWER_LIMIT).is_ok_and(|output| output.status == 0)
}

pub fn in_preparation_and_in_a_move() -> Result<Completion, Failed> {
    let hosts = Raised::up()?;
    let [_, (_, target)] = hosts.hosts()?;
    for (what, is_reached) in MOMENTS {
        let begin = Instant::now();
        let mut run = start(&hosts.inventory)?;
        run.until(RUN_LIMIT, |folder| is_reached(folder, &target));
        let reached = begin.elapsed();
        run.signal(Signal::SIGINT)?;
        let sent = Instant::now();
        let (status, folder) = run.ends(LIMIT + UNDO_LIMIT)?;
        let said = std::fs::read_to_string(folder.path().join("said"))?;
        eprintln!(
            "machines: Ctrl-C {what}, after {:.1} s: {status}, {:.1} s later",
            reached.as_secs_f64(),
            sent.elapsed().as_secs_f64()
        );
        expect(
            status.code() == Some(INTERRUPTED),
            &format!("{what}: it ended with {status}; it said:\n{said}"),
        )?;
        expect(!said.contains("it is not what it was"), &format!("{what}: it said:\n{said}"))?;
        hosts.are_as_before()?;
        let left = hosts.multivm(&["reap", "--inventory"], None)?;
        expect(left.matches("nothing is left of multivm").count() == 2, &format!("{what}: {left}"))?;
    }
    hosts.down()?;
    Ok(Completion::Completed)
}
