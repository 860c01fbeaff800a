//! KVM or TCG: only a trial boot of the real guest kernel proves that KVM works.
//!
//! `/dev/kvm` may exist, open and create a VM, and still not run a stock kernel (seen with paging-virtualised nesting: the
//! firmware runs, Linux stops in early boot). The answer stays valid while machine, QEMU and kernel stay unchanged.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::failure::{Attempt, Cause, Failure, Result};
use crate::image::{GuestImage, HostImage};
use crate::inventory::{Accelerator, AcceleratorKind, ArchRow};
use crate::ledger::Thing;
use crate::stand::Ground;
use crate::stand::settings::{Accel, Settings};
use crate::sys::contained;
use crate::sys::stop::StopFlag;
use crate::sys::terminal;

/// Time limit of the trial boot. It is ten times the boot time to user space under TCG on two slow cores: slower KVM is of
/// no use.
const TRIAL_LIMIT: Duration = Duration::from_secs(20);

/// Time between two looks at the stop flag during a trial.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The first line that the guest's initramfs prints.
const MARKER: &str = "multivm: user space";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    boot_id: String,
    qemu: String,
    guest_image: String,
    accelerator: Accelerator,
}

/// Chooses the accelerator by the settings, by an earlier trial, or by a new one.
pub fn choose(
    settings: &Settings,
    host: &HostImage,
    guest: &GuestImage,
    ground: Ground<'_>,
) -> Result<Accelerator> {
    let tcg = |reason: String| Accelerator { kind: AcceleratorKind::Tcg, reason };
    match settings.accel {
        Accel::Tcg => return Ok(tcg("MULTIVM_ACCEL=tcg asks for it".into())),
        Accel::Kvm => {
            return Ok(Accelerator {
                kind: AcceleratorKind::Kvm,
                reason: "MULTIVM_ACCEL=kvm asks for it".into(),
            });
        }
        Accel::Auto => {}
    }
    let arch = settings.guest_arch;
    if !arch.is_native() {
        return Ok(tcg(format!("guests of {arch} on a machine of {}", std::env::consts::ARCH)));
    }
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        return Ok(tcg(format!("/dev/kvm cannot be opened: {error}")));
    }
    let path = settings.store.cache.join("accelerator.json");
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    let guest_image = guest.directory.display().to_string();
    let known = remembered(&path).filter(|known| {
        known.boot_id == boot_id && known.qemu == host.facts.qemu && known.guest_image == guest_image
    });
    if let Some(known) = known {
        return Ok(known.accelerator);
    }
    terminal::say("multivm: trying KVM with a boot of the guest kernel (once per boot of this machine)");
    let accelerator = match trial(host, guest, arch.row(), ground)? {
        Ok(took) => Accelerator {
            kind: AcceleratorKind::Kvm,
            reason: format!("a trial boot reached user space in {:.1} s", took.as_secs_f64()),
        },
        Err(why) => tcg(format!("/dev/kvm exists but a trial boot of the guest kernel failed: {why}")),
    };
    let known = Remembered { boot_id, qemu: host.facts.qemu.clone(), guest_image, accelerator };
    let text = serde_json::to_string_pretty(&known).attempting(|| "remember the accelerator".into())?;
    fs::write(&path, text).attempting(|| format!("write {}", path.display()))?;
    Ok(known.accelerator)
}

/// The result of the last trial, for `multivm doctor`.
pub fn last_known(settings: &Settings) -> Option<Accelerator> {
    remembered(&settings.store.cache.join("accelerator.json")).map(|known| known.accelerator)
}

fn remembered(path: &Path) -> Option<Remembered> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn trial(
    host: &HostImage,
    guest: &GuestImage,
    arch: &ArchRow,
    Ground { ledger, stop }: Ground<'_>,
) -> Result<Result<Duration, String>> {
    let attempted = || "boot a guest under KVM for a trial".to_owned();
    let script = r#"
        set -e
        mount --rbind /dev "$1/dev"
        mount --bind "$2" "$1/mnt"
        exec chroot "$1" "$3" -accel kvm -cpu host -m 256 -display none -monitor none -serial stdio \
            -no-reboot -kernel /mnt/vmlinux -initrd /mnt/initramfs -append "console=$4 multivm.trial" 2>&1
    "#;
    let mut child = contained::command("sh")
        .args(["-c", script, "sh"])
        .arg(&host.root)
        .arg(&guest.directory)
        .args([arch.emulator, arch.console])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .attempting(attempted)?;
    let entry = ledger.enter(Thing::process(child.id() as i32, "accelerator trial")?)?;
    let verdict = watch(&mut child, stop);
    let _ = child.kill();
    child.wait().attempting(attempted)?;
    ledger.strike(entry)?;
    verdict
}

/// Watches a trial to its end; an interrupted trial says nothing about KVM.
fn watch(child: &mut Child, stop: &StopFlag) -> Result<Result<Duration, String>> {
    let begin = Instant::now();
    let console = contained::lines(child.stdout.take(), "the accelerator trial")?;
    let mut last = String::new();
    loop {
        if stop.is_set() {
            return Err(Failure::new("boot a guest under KVM for a trial", Cause::interrupted()));
        }
        let left = TRIAL_LIMIT.saturating_sub(begin.elapsed());
        match console.recv_timeout(left.min(LOOK_INTERVAL)) {
            Err(RecvTimeoutError::Timeout) if left > LOOK_INTERVAL => {}
            Ok(line) if line.contains(MARKER) => return Ok(Ok(begin.elapsed())),
            Ok(line) if line.contains("KVM internal error") || line.contains("emulation failure") => {
                return Ok(Err(line.trim().to_owned()));
            }
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => last = line.trim().to_owned(),
            Err(error) => {
                let what = match error {
                    RecvTimeoutError::Timeout => format!("no user space within {} s", TRIAL_LIMIT.as_secs()),
                    RecvTimeoutError::Disconnected => "QEMU ended before user space".to_owned(),
                };
                let said = match last.as_str() {
                    "" => "nothing on its console".to_owned(),
                    line => format!("last line: {line}"),
                };
                return Ok(Err(format!("{what}; {said}")));
            }
        }
    }
}
