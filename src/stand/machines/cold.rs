//! The one cold boot of the machines, and the snapshot of them that is kept.
//!
//! Firewall, SELinux and all that Python does take minutes without KVM. A machine that was saved when it had done all of that is up in
//! seconds.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::folder::own_directory;
use super::login::{ask, await_answer, remote};
use super::machine::{MACHINES, Machine, inside};
use super::qemu::{Qemu, QemuPaths, kept};
use super::qmp::Monitor;
use crate::failure::{Attempt, Cause, Failure, Result};
use crate::image::{HostImage, MachineImage};
use crate::inventory::Trust;
use crate::remote::Remote;
use crate::stand::Ground;
use crate::sys::parallel::at_once;
use crate::sys::stop::StopFlag;
use crate::sys::terminal;
use crate::sys::wait::{Poll, wait_for};

/// How long a machine may take from its start to its first answer, and from there to the last of its services. Alone on two idle CPUs
/// both machines take three minutes together.
const BOOT_LIMIT: Duration = Duration::from_secs(1800);

/// How long libvirt may take to find out what its QEMU can do, and each other command here.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);

/// How long the state of a machine may take to be written.
const SAVE_LIMIT: Duration = Duration::from_secs(300);

/// Waits a while for the end of the boot, and says what is the matter if it ended badly.
const SETTLED: &str = "state=$(timeout 10 systemctl is-system-running --wait); echo \"$state\"; \
                       [ \"$state\" != degraded ] || systemctl --failed --plain --no-legend";

/// What a machine has done when it is saved: libvirt knows its QEMU, SELinux enforces, and the disk has what was written.
const LAST_STEPS: [&str; 3] = [
    "virsh -q -c qemu:///system domcapabilities >/dev/null && virsh -q -c qemu:///system capabilities >/dev/null",
    "setenforce 1",
    "sync",
];

/// All that a snapshot depends on beside the image: the QEMU that writes it, the machines, and what happens to them before.
pub fn recipe(tools: &HostImage) -> Vec<String> {
    let mut recipe = vec![tools.facts.qemu.clone(), LAST_STEPS.concat()];
    recipe.extend(MACHINES.iter().map(|machine| machine.arguments(&kept(machine, "qcow2")).join(" ")));
    recipe
}

/// Boots both machines and saves them into `snapshot`: of each its disk, its state and its host key.
pub fn take(tools: &HostImage, image: &MachineImage, snapshot: &Path, ground: Ground<'_>) -> Result<()> {
    let one = |machine: &'static Machine| {
        let own = own_directory(machine)?;
        let place = QemuPaths {
            tools: &tools.root,
            image: &image.directory,
            snapshot,
            takes_snapshot: true,
            own: &own,
        };
        let disk = kept(machine, "qcow2");
        place.overlay(&format!("{}/disk.raw", inside::IMAGE), "raw", &disk)?;
        let mut qemu = Qemu::start(machine, place, &disk, None, ground)?;
        let known = Trust::FirstContact(own.join("known_hosts"));
        let remote = remote(machine, &image.password(), known);
        let booted = boot(&remote, &mut qemu, ground.stop).map_err(|failure| {
            let console = own.join("console.log");
            match last_line(&console) {
                Some(line) => failure.and(format!("; its console ends with: {line}")),
                None => failure,
            }
        })?;
        let path = host_key_path(snapshot, machine);
        fs::write(&path, booted).attempting(|| format!("write {}", path.display()))?;
        let mut monitor = qemu.monitor(ground.stop)?;
        save(&mut monitor, machine, ground.stop)?;
        qemu.quit(&mut monitor)
    };
    at_once("boot a machine", &MACHINES, one).into_iter().collect()
}

/// The file with a machine's host key in a snapshot.
pub fn host_key_path(snapshot: &Path, machine: &Machine) -> std::path::PathBuf {
    snapshot.join(format!("{}.pub", machine.name))
}

/// Waits for the end of a machine's boot, lets it take the last steps, and returns its host key.
fn boot(remote: &Remote, qemu: &mut Qemu, stop: &StopFlag) -> Result<String> {
    let name = remote.name();
    let begin = Instant::now();
    let tell = |what: &str| {
        terminal::say(&format!("multivm:   {name} {what} after {:.0} s", begin.elapsed().as_secs_f64()))
    };
    await_answer(remote, qemu, BOOT_LIMIT, stop)?;
    tell("answers by ssh");
    wait_for(&format!("the services of machine {name}"), BOOT_LIMIT, stop, || {
        if let Err(cause) = qemu.runs() {
            return Poll::Never(cause);
        }
        match ask(remote, SETTLED, COMMAND_LIMIT, stop) {
            Ok(said) => settled(&said),
            Err(failure) => Poll::again(failure.cause),
        }
    })?;
    tell("has started all services");
    for step in LAST_STEPS {
        ask(remote, step, COMMAND_LIMIT, stop)?;
    }
    let key = ask(remote, "cat /etc/ssh/ssh_host_ed25519_key.pub", COMMAND_LIMIT, stop)?;
    // A session that is open in a snapshot has no other side ever after. A new connection is answered after the end of an old one.
    remote.forget_sessions();
    remote.identify(COMMAND_LIMIT)?;
    let words: Vec<&str> = key.split_whitespace().take(2).collect();
    Ok(words.join(" "))
}

/// What systemd says of the boot.
fn settled(said: &str) -> Poll<()> {
    let (state, failed) = said.split_once('\n').unwrap_or((said, ""));
    match state.trim() {
        "running" => Poll::Ready(()),
        "degraded" => {
            let failed: Vec<&str> = failed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            Poll::Never(Cause::from(format!("services failed: {}", failed.join("; "))))
        }
        other => Poll::NotYet(format!("systemd says {other}")),
    }
}

/// Stops a machine and writes its state.
fn save(monitor: &mut Monitor, machine: &Machine, stop: &StopFlag) -> Result<()> {
    monitor.run("stop", json!({}))?;
    // By itself QEMU writes no more than 128 MiB/s, for the sake of a network.
    monitor.run("migrate-set-parameters", json!({ "max-bandwidth": 1_u64 << 40 }))?;
    monitor.run("migrate", json!({ "uri": format!("exec:cat > {}", kept(machine, "state")) }))?;
    wait_for(&format!("the state of machine {}", machine.name), SAVE_LIMIT, stop, || {
        match monitor.run("query-migrate", json!({})) {
            Ok(answer) => match answer["status"].as_str() {
                Some("completed") => Poll::Ready(()),
                Some("failed" | "cancelled") => Poll::Never(Cause::from(answer.to_string())),
                _ => Poll::NotYet(answer["status"].to_string()),
            },
            Err(failure) => Poll::Never(failure.into()),
        }
    })
}

/// The last line of a console that says something.
fn last_line(path: &Path) -> Option<String> {
    let said = fs::read(path).ok()?;
    let said = String::from_utf8_lossy(&said);
    said.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}

/// The host key of a machine, from its snapshot.
pub fn host_key(snapshot: &Path, machine: &Machine) -> Result<String> {
    let path = host_key_path(snapshot, machine);
    let key = fs::read_to_string(&path).attempting(|| format!("read {}", path.display()))?;
    if key.trim().is_empty() {
        return Err(Failure::new(format!("read {}", path.display()), "it is empty"));
    }
    Ok(key.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::up("running\n", "ready")]
    #[case::under_way("starting\n", "systemd says starting")]
    #[case::before_that("", "systemd says ")]
    #[case::failed(
        "degraded\nfirewalld.service loaded failed failed firewalld\n",
        "never: services failed: firewalld.service loaded failed failed firewalld"
    )]
    fn the_boot_has_an_end(#[case] said: &str, #[case] expected: &str) {
        let found = match settled(said) {
            Poll::Ready(()) => "ready".to_owned(),
            Poll::NotYet(text) => text,
            Poll::Never(cause) => format!("never: {cause}"),
        };
        assert_eq!(found, expected);
    }
}
