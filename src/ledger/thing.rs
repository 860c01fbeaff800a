//! The kinds of things that a run creates on this machine, and how to undo each.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::{Owner, roots};
use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::sys::limited;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// The prefix of the names of all network namespaces, links and control groups that multivm creates; it touches no others.
pub const PREFIX: &str = "multivm";

/// The folder in which `ip netns` keeps the names of network namespaces.
const NAMESPACES: &str = "/run/netns";

/// The file of a control group (v2) that switches controllers for its children on and off.
const CONTROLLERS: &str = "cgroup.subtree_control";

/// The folder in which the kernel has the links of this machine's own network.
const LINKS: &str = "/sys/class/net";

/// How long the kernel may take to give up the name of a network namespace or of a link.
const NAME_LIMIT: Duration = Duration::from_secs(10);

/// A thing on this machine that must be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Thing {
    /// A process by its pid and its start time (clock ticks since boot, field 22 of `/proc/PID/stat`), so that multivm never
    /// ends a later process with its pid. The end of a lab host's init ends everything in that host.
    Process { pid: i32, start: u64, what: String },
    /// A named network namespace (`ip netns`).
    NetworkNamespace { name: String },
    /// A link (`ip link`) in this machine's own network.
    Link { name: String },
    /// A control group and the groups below it.
    Cgroup { path: PathBuf },
    /// A controller that multivm switched on for the children of a control group (v2).
    CgroupController { file: PathBuf, controller: String },
    /// A directory below the state directory, or below one that carries multivm's mark ([`super::claim`]).
    Directory { path: PathBuf },
    /// Changes of another machine, which its own ledger has in detail.
    Host(HostChanges),
}

/// A machine that was changed, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostChanges {
    /// The machine's name in messages.
    pub name: String,
    pub address: String,
    /// The way in, in the form of whoever logs in; no secret is in it.
    pub login: serde_json::Value,
    /// The id under which the machine's own ledger has the changes.
    pub run: String,
    /// The file here with what the machine was like before; it is there if the machine was changed.
    pub before: PathBuf,
}

impl Thing {
    /// The running process `pid`.
    pub fn process(pid: i32, what: &str) -> Result<Thing> {
        let Owner { start, .. } = Owner::of(pid).ok_or_else(|| {
            Failure::new(format!("enter {what} in the ledger"), format!("no process {pid}"))
        })?;
        Ok(Thing::Process { pid, start, what: what.to_owned() })
    }

    /// Whether the thing exists, if its kind may end by itself or with another: a process, a network namespace or a link.
    /// For other kinds this is true.
    pub fn is_there(&self) -> bool {
        match self {
            Thing::Process { pid, start, .. } => Owner { pid: *pid, start: *start }.is_alive(),
            Thing::NetworkNamespace { name } => Path::new(NAMESPACES).join(name).exists(),
            Thing::Link { name } => Path::new(LINKS).join(name).exists(),
            Thing::Cgroup { .. }
            | Thing::CgroupController { .. }
            | Thing::Directory { .. }
            | Thing::Host(_) => true,
        }
    }

    /// Refuses a thing that is about to be made and is there already, as that of a multivm with another state directory is:
    /// one name is one thing on this machine.
    pub(super) fn refuse_if_taken(&self) -> Result<()> {
        let (path, look) = match self {
            Thing::NetworkNamespace { name } => (
                Path::new(NAMESPACES).join(name),
                format!("`ip netns pids {name}` shows who is in it, `ip netns delete {name}` removes it"),
            ),
            Thing::Link { name } => (
                Path::new(LINKS).join(name),
                format!("`ip -d link show {name}` shows what it is, `ip link delete {name}` removes it"),
            ),
            Thing::Cgroup { path } => (
                path.clone(),
                format!("{0}/cgroup.procs has who is in it, `rmdir {0}` removes it", path.display()),
            ),
            Thing::Process { .. }
            | Thing::CgroupController { .. }
            | Thing::Directory { .. }
            | Thing::Host(_) => return Ok(()),
        };
        if !path.exists() {
            return Ok(());
        }
        let cause = "it is there already, and is not in the ledger: multivm did not make it, or did so with another MULTIVM_STATE";
        let failure = Failure::new(format!("make {self}"), Cause::new(FailureKind::Refused, cause));
        Err(failure.try_next(format!("multivm leaves it alone. If it is of no use: {look}")))
    }

    /// Removes the thing. Succeeds if it is already gone.
    pub fn undo(&self, state: &Path) -> Result<()> {
        match self {
            Thing::Process { pid, start, .. } => self.end_process(*pid, *start),
            Thing::NetworkNamespace { name } => self.delete(NAMESPACES, &["netns", "delete"], name),
            Thing::Link { name } => self.delete(LINKS, &["link", "delete"], name),
            Thing::Cgroup { path } => self.remove_cgroup(path),
            Thing::CgroupController { file, controller } => self.switch_off(file, controller),
            Thing::Directory { path } => self.remove_directory(path, state),
            Thing::Host(_) => {
                Err(Failure::new(format!("undo {self}"), "this command cannot reach other machines"))
            }
        }
    }

    fn end_process(&self, pid: i32, start: u64) -> Result<()> {
        let process = Owner { pid, start };
        if !process.is_alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(pid), Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(Failure::new(format!("end {self}"), error)),
        }
        wait_for(&format!("{self} to end"), Duration::from_secs(20), &StopFlag::new(), || {
            if process.is_alive() { Poll::NotYet("still there".into()) } else { Poll::Ready(()) }
        })
    }

    /// Deletes what `ip` knows by a name, and what the kernel has in a folder by that name while it is there.
    fn delete(&self, folder: &str, words: &[&str], name: &str) -> Result<()> {
        if !name.starts_with(PREFIX) {
            return Err(Failure::new(format!("delete {self}"), "not a name that multivm gives"));
        }
        if !Path::new(folder).join(name).exists() {
            return Ok(());
        }
        limited::run(Command::new("ip").args(words).arg(name), "", NAME_LIMIT)
            .attempting(|| format!("delete {self}"))
    }

    fn remove_cgroup(&self, path: &Path) -> Result<()> {
        let ours = path.components().any(
            |part| matches!(part, Component::Normal(name) if name.to_string_lossy().starts_with(PREFIX)),
        );
        if !ours || !is_a_group(path) {
            return Err(Failure::new(format!("remove {self}"), "not a group that multivm made"));
        }
        // The kernel removes the last process a moment after its end: until then the group is busy.
        wait_for(&format!("{self} to be empty"), Duration::from_secs(10), &StopFlag::new(), || {
            match fs::remove_dir(path) {
                Ok(()) => Poll::Ready(()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Poll::Ready(()),
                Err(error) => Poll::NotYet(error.to_string()),
            }
        })
    }

    fn switch_off(&self, file: &Path, controller: &str) -> Result<()> {
        if !file.ends_with(CONTROLLERS) || !is_a_group(file) {
            let failure =
                Failure::new(format!("switch off {self}"), "no control group has its controllers there");
            return Err(failure.try_next("remove its line in the ledger by hand"));
        }
        // Other processes' children may use the controller by now; then it stays on.
        let _ = OpenOptions::new().write(true).open(file).and_then(|mut file| write!(file, "-{controller}"));
        Ok(())
    }

    fn remove_directory(&self, path: &Path, state: &Path) -> Result<()> {
        let failed = |cause: String| Failure::new(format!("remove {self}"), cause);
        let gone = match roots::is_ours(path, state) {
            Ok(true) => fs::remove_dir_all(path),
            Ok(false) => {
                return Err(failed(format!(
                    "it is neither below {} nor below a directory that holds {}",
                    state.display(),
                    roots::MARK
                ))
                .try_next(
                    "look what it is; if it is of no use, remove it and its line in the ledger by hand",
                ));
            }
            Err(error) => Err(error),
        };
        match gone {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error.to_string())),
            _ => Ok(()),
        }
    }
}

/// Whether a path is below the control groups, and `..` does not lead out of them again.
fn is_a_group(path: &Path) -> bool {
    path.starts_with("/sys/fs/cgroup") && path.components().all(|part| part != Component::ParentDir)
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Process { pid, what, .. } => write!(f, "process {pid} ({what})"),
            Thing::NetworkNamespace { name } => write!(f, "network namespace {name}"),
            Thing::Link { name } => write!(f, "link {name}"),
            Thing::Cgroup { path } => write!(f, "control group {}", path.display()),
            Thing::CgroupController { file, controller } => {
                write!(f, "controller {controller} in {}", file.display())
            }
            Thing::Directory { path } => write!(f, "directory {}", path.display()),
            Thing::Host(HostChanges { name, address, .. }) => write!(f, "changes of the {name} {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    /// What is entered is undone, so it must not be entered.
    #[test]
    fn what_somebody_else_made_is_refused_and_what_the_ledger_has_is_not() {
        let state = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(state.path()).unwrap();
        let group = state.path().join("multivm-source");
        let thing = Thing::Cgroup { path: group.clone() };
        fs::create_dir(&group).unwrap();
        let failure = ledger.enter(thing.clone()).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Refused);
        assert!(failure.to_string().contains("rmdir") && ledger.outstanding().is_empty(), "{failure}");

        fs::remove_dir(&group).unwrap();
        ledger.enter(thing.clone()).unwrap();
        fs::create_dir(&group).unwrap();
        ledger.enter(thing).expect("it is ours");
    }

    #[test]
    fn only_control_groups_are_taken_for_control_groups() {
        let home = tempfile::tempdir().unwrap();
        let (file, folder) = (home.path().join("photos"), home.path().join("multivm"));
        fs::write(&file, "precious").unwrap();
        fs::create_dir(&folder).unwrap();
        let out_of_the_groups =
            |path: &Path| PathBuf::from(format!("/sys/fs/cgroup/../../..{}", path.display()));
        for file in [file.clone(), out_of_the_groups(&file)] {
            let thing = Thing::CgroupController { file, controller: "cpu".into() };
            assert!(thing.undo(home.path()).is_err());
        }
        assert!(Thing::Cgroup { path: out_of_the_groups(&folder) }.undo(home.path()).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert!(folder.exists());
    }
}
