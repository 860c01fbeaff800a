//! The root file system of a lab's host: layers of images, a layer in memory, and what the host sees of its machine.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};
use serde::{Deserialize, Serialize};

use crate::failure::{Attempt, Result};

/// A directory of the machine that the host sees.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    pub from: PathBuf,
    /// Absolute path inside the host.
    pub to: PathBuf,
    pub read_only: bool,
}

/// A word that a mount does without.
const NONE: Option<&str> = None;

/// The machine's device nodes that a host sees, if the machine has them.
const DEVICES: [&str; 11] =
    ["null", "zero", "full", "random", "urandom", "tty", "kmsg", "kvm", "net/tun", "userfaultfd", "fuse"];

/// Lays the root file system of a host in this mount namespace, and makes it the root of this process: `layers`, topmost
/// first, in the empty directory `root`, with what the host sees of the machine.
pub(super) fn lay(root: &Path, layers: &[PathBuf], binds: &[Bind]) -> Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .attempting(|| "make the mounts private".into())?;
    let root = overlay(root, layers)?;
    for path in ["proc", "sys", "dev", "run", "tmp", "var/log/multivm", "var/lib/multivm"] {
        directory(&root.join(path))?;
    }
    filesystem("proc", &root.join("proc"), "")?;
    filesystem("sysfs", &root.join("sys"), "")?;
    filesystem("tmpfs", &root.join("run"), "mode=0755")?;
    filesystem("tmpfs", &root.join("tmp"), "mode=1777")?;
    lay_devices(&root.join("dev"))?;
    for path in ["run/sshd", "run/lock", "run/ganesha"] {
        directory(&root.join(path))?;
    }
    binds.iter().try_for_each(|entry| show(entry, &root))?;
    pivot(&root)
}

/// Lays layers under one that takes what the host writes, and returns its directory. The upper layer is in memory: it works
/// whatever file system the machine has, and ends with the host.
fn overlay(root: &Path, layers: &[PathBuf]) -> Result<PathBuf> {
    filesystem("tmpfs", root, "mode=0755")?;
    let [upper, work, root] = ["upper", "work", "root"].map(|name| root.join(name));
    for path in [&upper, &work, &root] {
        directory(path)?;
    }
    let lower: Vec<String> = layers.iter().map(|layer| layer.display().to_string()).collect();
    filesystem(
        "overlay",
        &root,
        &format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display()),
    )?;
    Ok(root)
}

/// Fills the host's `/dev`.
fn lay_devices(dev: &Path) -> Result<()> {
    filesystem("tmpfs", dev, "mode=0755")?;
    for device in DEVICES {
        let from = Path::new("/dev").join(device);
        if from.exists() {
            let to = dev.join(device);
            if let Some(parent) = to.parent() {
                directory(parent)?;
            }
            File::create(&to).attempting(|| format!("create {}", to.display()))?;
            bind(&from, &to)?;
        }
    }
    for path in ["pts", "shm"] {
        directory(&dev.join(path))?;
    }
    filesystem("devpts", &dev.join("pts"), "newinstance,ptmxmode=0666,mode=0620,gid=5")?;
    filesystem("tmpfs", &dev.join("shm"), "mode=1777")?;
    for (target, link) in [("pts/ptmx", "ptmx"), ("/proc/self/fd", "fd"), ("/proc/self/fd/2", "stderr")] {
        symlink(target, dev.join(link)).attempting(|| format!("create /dev/{link}"))?;
    }
    Ok(())
}

/// Shows a directory of the machine in the host.
fn show(entry: &Bind, root: &Path) -> Result<()> {
    let to = root.join(entry.to.strip_prefix("/").unwrap_or(&entry.to));
    directory(&to)?;
    bind(&entry.from, &to)?;
    if entry.read_only {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(NONE, &to, NONE, flags, NONE).attempting(|| format!("make {} read-only", to.display()))?;
    }
    Ok(())
}

/// Makes the directory the root of this process, and forgets the machine's. This stacks the old root on the new one and
/// detaches it: the pivot_root(".", ".") idiom of pivot_root(2).
fn pivot(root: &Path) -> Result<()> {
    chdir(root).attempting(|| "enter the new root".into())?;
    pivot_root(".", ".").attempting(|| "pivot into the new root".into())?;
    umount2(".", MntFlags::MNT_DETACH).attempting(|| "detach the machine's root".into())?;
    chdir("/").attempting(|| "enter the new root".into())
}

fn filesystem(kind: &str, path: &Path, options: &str) -> Result<()> {
    mount(Some(kind), path, Some(kind), MsFlags::empty(), Some(options))
        .attempting(|| format!("mount {kind} on {}", path.display()))
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    mount(Some(from), to, NONE, MsFlags::MS_BIND, NONE)
        .attempting(|| format!("bind {} to {}", from.display(), to.display()))
}

fn directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).attempting(|| format!("create {}", path.display()))
}
