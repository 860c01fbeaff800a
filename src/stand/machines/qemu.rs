//! The QEMU of a machine: a process in the tree of a lab host's image, which has QEMU, and in the network of the machines.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::machine::{Machine, inside};
use super::network::NAMESPACE;
use super::qmp::Monitor;
use crate::failure::{Attempt, Cause, Failure, Result};
use crate::ledger::{Entry, Ledger, Thing};
use crate::stand::{Ground, ip};
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};
use crate::sys::{contained, limited};

/// How long QEMU may take to open its monitor.
const MONITOR_LIMIT: Duration = Duration::from_secs(60);

/// How long QEMU may take to end after it was told to, with its disk closed.
const END_LIMIT: Duration = Duration::from_secs(60);

/// How long an overlay of a disk may take.
const DISK_LIMIT: Duration = Duration::from_secs(60);

/// Starts a program in the tree. Nothing of it is mounted before the ledger has the process: then a line comes.
const SCRIPT: &str = r#"
    read -r go || exit 1
    set -e
    root=$1 own=$5
    mount --rbind /dev "$root/dev"
    mount -t tmpfs machine "$root/mnt"
    lay() {
        mkdir "$root$2"
        mount --bind "$1" "$root$2"
        mount -o "remount,bind,$3" "$root$2"
    }
    lay "$2" /mnt/image ro
    lay "$3" /mnt/snapshot "$4"
    lay "$own" /mnt/own rw
    shift 5
    exec chroot "$root" "$@" </dev/null
"#;

/// Where a machine's QEMU works, by paths of this machine.
#[derive(Debug, Clone, Copy)]
pub struct QemuPaths<'a> {
    /// The tree that has QEMU.
    pub tools: &'a Path,
    pub image: &'a Path,
    pub snapshot: &'a Path,
    /// Whether the snapshot is being taken. Otherwise nothing in the tree can write to it.
    pub takes_snapshot: bool,
    /// What the running machine writes.
    pub own: &'a Path,
}

impl QemuPaths<'_> {
    /// Makes a disk that begins as `parent` and keeps its own changes.
    pub fn overlay(&self, parent: &str, format: &str, disk: &str) -> Result<()> {
        let mut command = self.command();
        command.args(["qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", parent, disk]);
        limited::run(&mut command, "go\n", DISK_LIMIT)
            .attempting(|| format!("make the disk {disk}, over {parent}"))
    }

    /// A command in the tree, whose program is the next argument.
    fn command(&self) -> Command {
        let access = if self.takes_snapshot { "rw" } else { "ro" };
        let mut command = contained::command("nsenter");
        command
            .arg(format!("--net={}", ip::path(NAMESPACE).display()))
            .args(["sh", "-c", SCRIPT, "sh"])
            .args([self.tools, self.image, self.snapshot])
            .arg(access)
            .arg(self.own);
        command
    }
}

/// A QEMU that runs. It ends when this is dropped, unless it was left to the ledger.
pub struct Qemu {
    pub machine: &'static Machine,
    child: Child,
    own: PathBuf,
    ledger: Ledger,
    /// The process in the ledger; none once the ledger alone is to end it.
    entry: Option<Entry>,
}

impl Qemu {
    /// Starts the QEMU of a machine with a disk, to boot or to wait for a state from `incoming`.
    pub fn start(
        machine: &'static Machine,
        place: QemuPaths<'_>,
        disk: &str,
        incoming: Option<&str>,
        Ground { ledger, .. }: Ground<'_>,
    ) -> Result<Qemu> {
        let attempted = || format!("start the QEMU of machine {}", machine.name);
        let log_path = log(place.own);
        let log = File::create(&log_path).attempting(|| format!("create {}", log_path.display()))?;
        let mut command = place.command();
        command
            .arg("qemu-system-x86_64")
            .args(machine.arguments(disk))
            .args(incoming.map(|from| ["-incoming", from]).into_iter().flatten())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .current_dir("/")
            // Ctrl-C is for multivm, which takes the machines down in order.
            .process_group(0);
        let mut child = command.spawn().attempting(attempted)?;
        let stdin = child.stdin.take();
        let entry = Thing::process(child.id() as i32, &format!("QEMU of machine {}", machine.name))
            .and_then(|thing| ledger.enter(thing))
            .inspect_err(|_| {
                // Without the line that it waits for, it ends by itself.
                let _ = child.kill();
            })?;
        let qemu =
            Qemu { machine, child, own: place.own.to_owned(), ledger: ledger.clone(), entry: Some(entry) };
        let mut stdin = stdin.ok_or("it has no standard input").attempting(attempted)?;
        stdin.write_all(b"go\n").attempting(attempted)?;
        Ok(qemu)
    }

    /// Connects to the monitor, as soon as there is one.
    pub fn monitor(&mut self, stop: &StopFlag) -> Result<Monitor> {
        let name = self.machine.name;
        wait_for(&format!("the monitor of machine {name}"), MONITOR_LIMIT, stop, || {
            if let Err(cause) = self.runs() {
                return Poll::Never(cause);
            }
            match Monitor::connect(name, &self.own.join("qmp")) {
                Ok(monitor) => Poll::Ready(monitor),
                Err(failure) => Poll::again(failure.cause),
            }
        })
    }

    /// Whether QEMU still runs; if not, its last words.
    pub fn runs(&mut self) -> Result<(), Cause> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let said = fs::read_to_string(log(&self.own)).unwrap_or_default();
                let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing");
                Err(format!("its QEMU ended with {status}; it said at last: {last}").into())
            }
        }
    }

    /// Ends QEMU in order, so that its disk is whole.
    pub fn quit(mut self, monitor: &mut Monitor) -> Result<()> {
        monitor.run("quit", serde_json::json!({}))?;
        let attempted = || format!("end the QEMU of machine {}", self.machine.name);
        let status = limited::end(&mut self.child, END_LIMIT).attempting(attempted)?;
        if !status.success() {
            return Err(Failure::new(attempted(), format!("it ended with {status}")));
        }
        self.entry.take().map_or(Ok(()), |entry| self.ledger.strike(entry))
    }

    /// Leaves QEMU to the ledger, which ends it when the machines go down.
    pub fn leave(mut self) {
        self.entry = None;
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            // What cannot be ended now stays in the ledger.
            let _ = self.ledger.undo(entry);
            let _ = limited::end(&mut self.child, END_LIMIT);
        }
    }
}

/// What a machine's QEMU says.
fn log(own: &Path) -> PathBuf {
    own.join("qemu.log")
}

/// The path of a file of the machine's own, as its QEMU knows it.
pub fn own(file: &str) -> String {
    format!("{}/{file}", inside::OWN)
}

/// The path of a machine's file in the snapshot, as its QEMU knows it.
pub fn kept(machine: &Machine, kind: &str) -> String {
    format!("{}/{}.{kind}", inside::SNAPSHOT, machine.name)
}
