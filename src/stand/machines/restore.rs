//! Machines that go on where their snapshot was taken.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::cold::host_key;
use super::folder::own_directory;
use super::login::{await_answer, remote, set_clock, trust};
use super::machine::{MACHINES, Machine};
use super::qemu::{Qemu, QemuPaths, kept, own};
use super::qmp::Monitor;
use crate::failure::{Cause, Failure, Result};
use crate::image::{HostImage, MachineImage, Snapshot};
use crate::stand::Ground;
use crate::sys::parallel::at_once;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// How long QEMU may take to read a state.
const STATE_LIMIT: Duration = Duration::from_secs(120);

/// How long a machine that goes on may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Starts both machines from their snapshot. They have disks of their own over those of the snapshot, which stays as it is.
pub fn restore(
    tools: &HostImage,
    image: &MachineImage,
    snapshot: &Snapshot,
    password: &Path,
    ground: Ground<'_>,
) -> Result<()> {
    let one = |machine: &'static Machine| {
        let directory = own_directory(machine)?;
        let place = QemuPaths {
            tools: &tools.root,
            image: &image.directory,
            snapshot: &snapshot.directory,
            takes_snapshot: false,
            own: &directory,
        };
        let disk = own("disk.qcow2");
        place.overlay(&kept(machine, "qcow2"), "qcow2", &disk)?;
        let from = format!("exec:cat {}", kept(machine, "state"));
        let mut qemu = Qemu::start(machine, place, &disk, Some(&from), ground)?;
        let mut monitor = qemu.monitor(ground.stop)?;
        go_on(&mut monitor, &mut qemu, ground.stop)?;
        let remote = remote(machine, password, trust(&host_key(&snapshot.directory, machine)?));
        await_answer(&remote, &mut qemu, ANSWER_LIMIT, ground.stop)?;
        set_clock(&remote, ground.stop)?;
        Ok(qemu)
    };
    let raised: Vec<Qemu> = at_once("raise a machine", &MACHINES, one).into_iter().collect::<Result<_>>()?;
    raised.into_iter().for_each(Qemu::leave);
    Ok(())
}

/// Waits until QEMU has read the state, and lets the machine go on.
fn go_on(monitor: &mut Monitor, qemu: &mut Qemu, stop: &StopFlag) -> Result<()> {
    let name = qemu.machine.name;
    wait_for(&format!("the state of machine {name}"), STATE_LIMIT, stop, || {
        if let Err(cause) = qemu.runs() {
            return Poll::Never(cause);
        }
        match monitor.run("query-status", json!({})) {
            Ok(answer) => match answer["status"].as_str() {
                Some("inmigrate") => Poll::NotYet("QEMU reads it".into()),
                Some("paused") => Poll::Ready(()),
                _ => Poll::Never(Cause::from(format!("QEMU says {answer}"))),
            },
            Err(failure) => Poll::Never(failure.into()),
        }
    })
    .map_err(|failure: Failure| {
        failure.try_next("if the snapshot is damaged, remove it from the cache: it is taken anew")
    })?;
    monitor.run("cont", json!({})).map(drop)
}
