//! Images for the lab, built once from the distribution's packages, and kept in the user's cache directory under names with
//! a hash of their recipe.
//!
//! A build works in a directory of its own and renames it at the end: the next build throws away an interrupted one, which
//! never passes for a finished one.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::packages::{load_programs, with_load_tools};
use super::{Store, expired, mirror};
use crate::failure::{Attempt, Cause, Failure, Result};
use crate::inventory::Arch;
use crate::ledger::{Ledger, Thing, claim};
use crate::sys::contained;
use crate::sys::stop::StopFlag;
use crate::sys::terminal;

const HOST_PACKAGES: &str = include_str!("../../fixtures/host/packages.txt");
const GUEST_PACKAGES: &str = include_str!("../../fixtures/guest/packages.txt");

/// The recipe of a guest image, around the part that brings the kernel into QEMU's form.
const GUEST_BUILD: [&str; 2] =
    [include_str!("../../fixtures/guest/build/tree.sh"), include_str!("../../fixtures/guest/build/disk.sh")];

/// The files that a guest image gets, by name.
const GUEST_FILES: [(&str, &str); 4] = [
    ("initramfs-init", include_str!("../../fixtures/guest/initramfs-init")),
    ("inittab", include_str!("../../fixtures/guest/inittab")),
    ("rcS", include_str!("../../fixtures/guest/rcS")),
    ("sysctl.conf", include_str!("../../fixtures/guest/sysctl.conf")),
];

/// What stays of a build of a guest image.
const GUEST_KEPT: [&str; 4] = ["vmlinux", "initramfs", "base.qcow2", "host_key.pub"];

/// The version of the way of building. It changes when that changes without the recipe.
pub(super) const FORMAT: &str = "1";

/// The root file system of lab hosts of one suite.
#[derive(Debug, Clone)]
pub struct HostImage {
    pub root: PathBuf,
    pub facts: HostFacts,
}

/// Versions found in a host image.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFacts {
    pub suite: String,
    pub qemu: String,
    pub libvirt: String,
}

/// The files that guests boot from.
#[derive(Debug, Clone)]
pub struct GuestImage {
    /// The directory with `vmlinux`, `initramfs`, `base.qcow2`, `host_key.pub`.
    pub directory: PathBuf,
}

/// The cache of images. Progress goes to standard error, a line per stage.
pub struct Images<'a> {
    pub store: &'a Store,
    pub ledger: &'a Ledger,
    pub stop: &'a StopFlag,
}

impl Images<'_> {
    /// The paths of the images of guests and of hosts for them, of these suites, and whether each exists.
    pub fn status(store: &Store, hosts: &[&str], guests: &str, arch: Arch) -> Vec<(PathBuf, bool)> {
        let mut paths: Vec<PathBuf> = hosts.iter().map(|suite| host_path(store, suite, arch)).collect();
        paths.dedup();
        paths.push(guest_path(store, guests, arch));
        paths.into_iter().map(|path| (path.clone(), path.is_dir())).collect()
    }

    /// The image of hosts of `suite` for guests of `arch`, built if it is missing.
    pub fn host(&self, suite: &str, arch: Arch) -> Result<HostImage> {
        let path = host_path(self.store, suite, arch);
        self.ensure(&path, &format!("root file system of {suite} hosts"), |partial| {
            let tree = partial.join("root");
            self.mmdebstrap("minbase", &host_packages(arch), suite, Arch::OF_HOSTS, &tree)?;
            let facts = HostFacts {
                suite: suite.to_owned(),
                qemu: package_version(&tree, arch.row().emulator_package)?,
                libvirt: package_version(&tree, "libvirt-daemon")?,
            };
            let text =
                serde_json::to_string_pretty(&facts).attempting(|| "write the image's facts".into())?;
            fs::write(partial.join("facts.json"), text).attempting(|| format!("write {}", partial.display()))
        })?;
        let facts = path.join("facts.json");
        let text = fs::read_to_string(&facts).attempting(|| format!("read {}", facts.display()))?;
        let facts = serde_json::from_str(&text).attempting(|| format!("read {}", facts.display()))?;
        Ok(HostImage { root: path.join("root"), facts })
    }

    /// The guest image of `suite` and `arch`, built with the tools of `host` if it is missing.
    pub fn guest(
        &self,
        suite: &str,
        arch: Arch,
        host: impl FnOnce() -> Result<HostImage>,
    ) -> Result<GuestImage> {
        let path = guest_path(self.store, suite, arch);
        self.ensure(&path, &format!("guest image of {suite} for {arch}"), |partial| {
            let tools = host()?;
            self.mmdebstrap("extract", &guest_packages(arch), suite, arch, &partial.join("tree"))?;
            let script = guest_build(arch);
            let files = [&[("build.sh", script.as_str())], &GUEST_FILES[..]].concat();
            self.build_in(&tools, partial, &files, "guest image")?;
            for name in GUEST_KEPT {
                let made = partial.join("out").join(name);
                fs::rename(&made, partial.join(name)).attempting(|| format!("find {}", made.display()))?;
            }
            keep_only(partial, &GUEST_KEPT)
        })?;
        Ok(GuestImage { directory: path })
    }

    /// Builds `path` through `build` unless it exists.
    pub(super) fn ensure(
        &self,
        path: &Path,
        what: &str,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let begin = Instant::now();
        let images = images_directory(self.store);
        terminal::say(&format!("multivm: building the {what} (once; kept in {})", images.display()));
        claim(&images, is_image_name)
            .map_err(|failure| failure.try_next("keep the images elsewhere: set MULTIVM_CACHE"))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let partial = images.join(format!("{PARTIAL}{name}"));
        let entry = self.ledger.enter(Thing::Directory { path: partial.clone() })?;
        // The remains of an interrupted build.
        if partial.exists() {
            fs::remove_dir_all(&partial).attempting(|| format!("remove {}", partial.display()))?;
        }
        fs::create_dir_all(&partial).attempting(|| format!("create {}", partial.display()))?;
        let built = build(&partial)
            .and_then(|()| fs::rename(&partial, path).attempting(|| format!("finish {}", path.display())));
        self.ledger.undo(entry)?;
        built?;
        terminal::say(&format!("multivm: built the {what} in {:.0} s", begin.elapsed().as_secs_f64()));
        Ok(())
    }

    pub(super) fn mmdebstrap(
        &self,
        variant: &str,
        packages: &str,
        suite: &str,
        arch: Arch,
        tree: &Path,
    ) -> Result<()> {
        let source = mirror::debian(self.store.mirror.as_deref())?;
        let packages: Vec<&str> = packages
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let mut command = contained::command("mmdebstrap");
        command
            .args(["--mode=root", "--aptopt=APT::Install-Recommends \"false\""])
            .args(self.store.expired.has(suite).then_some("--aptopt=Acquire::Check-Valid-Until \"false\""))
            .arg(format!("--architectures={}", arch.row().debian))
            .arg(format!("--variant={variant}"))
            .arg(format!("--include={}", packages.join(",")))
            .arg(suite)
            .arg(tree)
            .args(source.address);
        let what = format!("install {suite} packages of {} into {}", arch.row().debian, tree.display());
        self.build(command, &what).map_err(|failure| {
            let words: Vec<String> = failure.cause.text.lines().map(str::to_owned).collect();
            match expired::advice(suite, &words).or_else(|| mirror::advice(suite, arch, &words)) {
                Some(advice) => failure.try_next(advice),
                None => failure,
            }
        })
    }

    /// Runs a recipe, the `build.sh` of these files, inside a host image's tree, which has the tools. Its /build is the partial
    /// directory.
    pub(super) fn build_in(
        &self,
        tools: &HostImage,
        partial: &Path,
        files: &[(&str, &str)],
        what: &str,
    ) -> Result<()> {
        let folder = partial.join("files");
        fs::create_dir_all(&folder).attempting(|| format!("create {}", folder.display()))?;
        for (name, text) in files {
            fs::write(folder.join(name), text).attempting(|| format!("write {name}"))?;
        }
        // Every lab shares the tree: only this command sees the mounts over it.
        let script = r#"
            set -e
            mkdir "$2/mnt"
            mount -t tmpfs tools "$2/mnt"
            mkdir "$2/mnt/upper" "$2/mnt/work" "$2/mnt/root"
            root="$2/mnt/root"
            mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/mnt/upper,workdir=$2/mnt/work" "$root"
            mkdir "$root/build"
            mount --bind "$2" "$root/build"
            mount -t proc proc "$root/proc"
            exec chroot "$root" /bin/sh /build/files/build.sh
        "#;
        let mut command = contained::command("sh");
        command.args(["-c", script, "sh"]).arg(&tools.root).arg(partial);
        self.build(command, &format!("build the {what} in {}", partial.display()))
    }

    /// Runs a contained command to its end.
    fn build(&self, mut command: Command, attempted: &str) -> Result<()> {
        command
            .env("LC_ALL", "C.UTF-8")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is for multivm, which ends the build in order.
            .process_group(0);
        let mut child = command.spawn().map_err(|error| {
            Failure::new(attempted, Cause::from(error).about(format!("{:?}", command.get_program())))
                .try_next("./setup installs what is needed")
        })?;
        let entry = self.ledger.enter(Thing::process(child.id() as i32, attempted)?)?;
        let tail = self.follow(&mut child)?;
        let status = child.wait().attempting(|| attempted.to_owned())?;
        self.ledger.strike(entry)?;
        if self.stop.is_set() {
            return Err(Failure::new(attempted, Cause::interrupted()));
        }
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(attempted, format!("{status}; it said at last:\n{}", tail.join("\n")))
            .try_next("check the machine's package sources (apt-get update) and ./setup"))
    }

    /// Shows the stages of a build until it ends or the run is interrupted, which ends it; returns its last lines.
    fn follow(&self, child: &mut Child) -> Result<Vec<String>> {
        let lines = contained::lines(child.stderr.take(), "a build")?;
        let mut tail: Vec<String> = Vec::new();
        loop {
            match lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => {
                    // mmdebstrap names its stages in lines that begin with "I:".
                    if let Some(stage) = line.strip_prefix("I: ") {
                        terminal::say(&format!("multivm:   {stage}"));
                    }
                    tail.push(line);
                    if tail.len() > TAIL {
                        tail.remove(0);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(tail),
            }
            if self.stop.is_set() {
                // A build that has ended already is no error.
                let _ = child.kill();
            }
        }
    }
}

/// Removes what a build has left in its directory, but for what is kept.
///
/// # Errors
///
/// Something cannot be removed. It would stay in the image for as long as that is kept.
pub(super) fn keep_only(partial: &Path, kept: &[&str]) -> Result<()> {
    let attempted = || format!("read {}", partial.display());
    for entry in fs::read_dir(partial).attempting(attempted)? {
        let entry = entry.attempting(attempted)?;
        if kept.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type().attempting(attempted)?);
        let removed = if kind.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.attempting(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}

/// The beginning of the name of an unfinished image's directory.
const PARTIAL: &str = ".partial-";

/// Whether a name is one that images have in the directory of images, finished or not.
fn is_image_name(name: &str) -> bool {
    let name = name.strip_prefix(PARTIAL).unwrap_or(name);
    ["host-", "guest-", "machine-", "snapshot-", "cloud-", "firmware-"]
        .iter()
        .any(|kind| name.starts_with(kind))
}

pub(super) fn images_directory(store: &Store) -> PathBuf {
    store.cache.join("images")
}

fn host_path(store: &Store, suite: &str, arch: Arch) -> PathBuf {
    images_directory(store).join(format!("host-{suite}-{}", key(&[FORMAT, suite, &host_packages(arch)])))
}

pub(super) fn host_packages(arch: Arch) -> String {
    [&[with_load_tools(HOST_PACKAGES).as_str()], arch.row().host_packages].concat().join("\n")
}

/// The packages of a guest: the kernel's has another name in each architecture.
pub(super) fn guest_packages(arch: Arch) -> String {
    with_load_tools(GUEST_PACKAGES).replace(Arch::OF_HOSTS.row().kernel_package, arch.row().kernel_package)
}

fn guest_build(arch: Arch) -> String {
    let [tree, disk] = GUEST_BUILD;
    [tree, arch.row().recipe_values, arch.row().kernel_recipe, &load_programs(), disk].concat()
}

fn guest_path(store: &Store, suite: &str, arch: Arch) -> PathBuf {
    let (packages, script) = (guest_packages(arch), guest_build(arch));
    let mut recipe = vec![FORMAT, suite, &packages, &script];
    recipe.extend(GUEST_FILES.iter().map(|(_, text)| *text));
    images_directory(store).join(format!("guest-{suite}-{}", key(&recipe)))
}

/// How many of a failed build's last lines its message shows.
const TAIL: usize = 20;

pub(super) fn key(recipe: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in recipe {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Version of an installed package, from the image's own dpkg database.
fn package_version(tree: &Path, package: &str) -> Result<String> {
    let path = tree.join("var/lib/dpkg/status");
    let attempted = || format!("find the version of {package} in {}", path.display());
    let text = fs::read_to_string(&path).attempting(attempted)?;
    text.split("\n\n")
        .find(|paragraph| paragraph.lines().any(|line| line == format!("Package: {package}")))
        .and_then(|paragraph| paragraph.lines().find_map(|line| line.strip_prefix("Version: ")))
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(attempted(), "it is not installed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_build_stays_what_is_kept() {
        let partial = tempfile::tempdir().unwrap();
        let path = |name: &str| partial.path().join(name);
        fs::create_dir_all(path("tree/usr/lib")).unwrap();
        for file in ["tree/usr/lib/libc.so", "root.raw", "base.qcow2", "vmlinux"] {
            fs::write(path(file), file).unwrap();
        }
        // A link goes, and not what it leads to.
        std::os::unix::fs::symlink(path("vmlinux"), path("latest")).unwrap();
        keep_only(partial.path(), &["vmlinux", "base.qcow2"]).unwrap();
        let left = fs::read_dir(partial.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["base.qcow2", "vmlinux"]);
    }

    /// The kernel lets nobody remove files of /proc, not even root.
    #[test]
    fn what_cannot_be_removed_is_told() {
        let failure = keep_only(Path::new("/proc/self/fdinfo"), &[]).unwrap_err().to_string();
        assert!(failure.contains("remove /proc/self/fdinfo/"), "{failure}");
    }
}
