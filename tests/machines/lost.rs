//! Runs on machine hosts that lose one of them: while they are prepared, while a guest moves, and while they are put back. The run ends
//! with a failure that names the host. When the host is back, one command puts it back as it was.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Failed};
use multivm::remote::Remote;
use multivm::sys::stop::StopFlag;
use multivm::sys::wait::{Poll, wait_for};
use nix::sys::signal::Signal;

use super::interrupted::{is_moving, lease_has};
use super::{ANSWER_LIMIT, LOST_HOST_LIMIT, RUN_LIMIT, Raised, expect, start};

/// The longest time for the boot of an emulated machine.
const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// When a host goes: at a moment of the run, or of its end after Ctrl-C.
struct Loss {
    what: &'static str,
    /// The moment of the run, by its folder and the target.
    reached: fn(&Path, &Remote) -> bool,
    /// Whether Ctrl-C ends the run then, and the host goes as soon as the first change of it is taken back.
    in_undo: bool,
}

const LOSSES: [Loss; 3] = [
    Loss {
        what: "while the hosts are prepared",
        reached: |_, target| lease_has(target, "10-keys"),
        in_undo: false,
    },
    Loss { what: "while a guest moves", reached: |folder, _| is_moving(folder), in_undo: false },
    Loss { what: "while the hosts are put back", reached: |folder, _| is_moving(folder), in_undo: true },
];

pub fn one_of_two() -> Result<Completion, Failed> {
    for loss in LOSSES {
        // Each loss meets the machines of the snapshot.
        let hosts = Raised::up()?;
        lose(&hosts, &loss)?;
        hosts.down()?;
    }
    Ok(Completion::Completed)
}

fn lose(hosts: &Raised, loss: &Loss) -> Result<(), Failed> {
    let what = loss.what;
    let [_, (address, target)] = hosts.hosts()?;
    let [_, boot] = hosts.boots()?;
    let mut run = start(&hosts.inventory)?;
    let reached = Cell::new(false);
    run.until(RUN_LIMIT, |folder| {
        reached.set((loss.reached)(folder, &target));
        reached.get()
    });
    if loss.in_undo && reached.replace(false) {
        let before = changes(&target)?;
        run.signal(Signal::SIGINT)?;
        run.until(LOST_HOST_LIMIT, |_| {
            reached.set(changes(&target).is_ok_and(|now| (1..before).contains(&now)));
            reached.get()
        });
    }
    expect(reached.get(), &format!("{what}: the moment was not met; the run said:\n{}", run.said()))?;
    reset(&target)?;
    let lost = Instant::now();
    let (status, folder) = run.ends(LOST_HOST_LIMIT)?;
    let took = lost.elapsed();
    let said = std::fs::read_to_string(folder.path().join("said"))?;
    eprintln!("machines: {address} is lost {what}: {status}, {:.1} s later", took.as_secs_f64());
    let told = |held, otherwise: &str| {
        expect(held, &format!("{what}: {otherwise}; the run ended with {status}; it said:\n{said}"))
    };
    told(!status.success(), "the loss was no failure")?;
    let names = |line: &str| line.contains("target") && !line.contains("source to target");
    told(said.lines().any(names), "the run did not name the host")?;
    told(said.contains("multivm reap"), "the run did not name the command that puts the host back")?;
    is_back(&target, &boot)?;
    let reaped = hosts.multivm(&["reap", "--take-over", "--inventory"], None)?;
    eprintln!("machines: {}", reaped.trim_end().replace('\n', "; "));
    hosts.are_as_before()
}

/// The number of changes that a host's lease takes back.
fn changes(host: &Remote) -> Result<usize, Failed> {
    let listed = host.check("ls /var/lib/multivm/lease/changes 2> /dev/null; :", ANSWER_LIMIT)?;
    Ok(listed.lines().count())
}

/// Resets a machine at once: nothing on it is ended, or written.
fn reset(host: &Remote) -> Result<(), Failed> {
    let soon = "(sleep 0.2; echo b > /proc/sysrq-trigger) > /dev/null 2>&1 < /dev/null &";
    Ok(host.check(soon, ANSWER_LIMIT).map(drop)?)
}

/// Waits until a machine has booted again.
fn is_back(host: &Remote, boot: &str) -> Result<(), Failed> {
    let back = wait_for("the machine to boot", BOOT_LIMIT, &StopFlag::new(), || {
        let asked = host.check(
            "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running --wait; :",
            ANSWER_LIMIT,
        );
        match asked {
            Ok(now) if !now.starts_with(boot.trim()) => Poll::Ready(()),
            Ok(_) => Poll::NotYet("it goes on in its boot".into()),
            Err(failure) => Poll::NotYet(failure.to_string()),
        }
    });
    Ok(back?)
}
