//! Checks the kernel's features, by trial where a trial leaves nothing behind.

use std::fs::{self, File};
use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};

use super::Diagnosis;
use super::privilege::{Privilege, Untried};
use crate::stand::lab::cgroup;

/// A command with namespaces of the same kinds as a host's; its mounts end with the command.
const HOST_LIKE: [&str; 7] =
    ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--propagation=private"];

const TMPFS: &str = r#"mount -t tmpfs multivm-doctor "$1""#;

/// A mount like that of a host's root, with the upper layer in memory.
const OVERLAY: &str = r#"
    mount -t tmpfs multivm-doctor "$1" && cd "$1" && mkdir lower upper work root &&
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root && : >root/file
"#;

/// The option `name` is there because ip(8) would take "br" alone for an abbreviation of `broadcast`.
const NETWORK: &str = "ip link add type veth && ip link add name br0 type bridge";

const NO_MODULES: &str =
    "load the kernel module if there is one; in a container, run it privileged or use the machine itself";

/// Checks all features that the lab needs.
pub fn examine(privilege: &Privilege) -> Vec<Diagnosis> {
    let temporary = std::env::temp_dir().display().to_string();
    let host_like = |script: &str| {
        let mut command = HOST_LIKE.to_vec();
        command.extend(["sh", "-c", script, "sh", &temporary]);
        privilege.try_as_root(&command)
    };
    vec![
        tried("namespaces", "mount, UTS, IPC and PID: made", host_like("true")),
        tried("tmpfs", "mounted", host_like(TMPFS)),
        tried("overlayfs", "mounted over a tmpfs", host_like(OVERLAY)),
        tried(
            "network",
            "namespace, veth pair and bridge: made",
            privilege.try_as_root(&["unshare", "--net", "sh", "-c", NETWORK]),
        ),
        tun(),
        userfaultfd(),
        control_groups(),
    ]
}

fn tried(name: &str, good: &str, result: Result<(), Untried>) -> Diagnosis {
    match result {
        Ok(()) => Diagnosis::good(name, good),
        Err(Untried::NoRoot) => {
            Diagnosis::warn(name, "not tried: that needs root", "run the doctor as root: sudo multivm doctor")
        }
        Err(Untried::Failed(said)) => Diagnosis::missing(name, said, NO_MODULES),
    }
}

/// Checks for taps, by which QEMU plugs the guests into the bridge.
fn tun() -> Diagnosis {
    let path = "/dev/net/tun";
    let opened = File::options().read(true).write(true).open(path);
    match opened {
        Ok(_) => Diagnosis::good("TUN", format!("{path} opens")),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && is_plain_user() => {
            Diagnosis::good("TUN", format!("{path} is there, for root"))
        }
        Err(error) => Diagnosis::missing(
            "TUN",
            format!("{path}: {error}"),
            "modprobe tun; in a container, give it the device /dev/net/tun",
        ),
    }
}

fn is_plain_user() -> bool {
    !nix::unistd::geteuid().is_root()
}

/// Checks for userfaultfd, which post-copy needs. The hosts' QEMU runs as root, which may use it whatever
/// `vm.unprivileged_userfaultfd` says; the existence of this file shows that the kernel has the system call at all.
fn userfaultfd() -> Diagnosis {
    let name = "userfaultfd";
    let setting = fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd");
    let device = Path::new("/dev/userfaultfd").exists();
    match (setting.as_deref().map(str::trim), device) {
        (Ok("1"), _) => Diagnosis::good(name, "for every user (vm.unprivileged_userfaultfd is 1)"),
        (Ok(_), _) => Diagnosis::good(name, "for root, as the hosts' QEMU is"),
        (Err(_), true) => Diagnosis::good(name, "/dev/userfaultfd"),
        (Err(_), false) => Diagnosis::warn(
            name,
            "the kernel does not have it",
            "use a kernel with CONFIG_USERFAULTFD: without it no post-copy migration can start",
        ),
    }
}

/// Checks for control groups, which give each host its size.
fn control_groups() -> Diagnosis {
    let name = "control groups";
    let root = Path::new(cgroup::ROOT);
    let version = match cgroup::version() {
        Ok(version) => version,
        Err(cause) => {
            return Diagnosis::missing(
                name,
                cause,
                "mount control groups with the cpu and memory controllers",
            );
        }
    };
    let tree = match version {
        cgroup::CgroupVersion::V1 => root.join("memory"),
        cgroup::CgroupVersion::V2 => root.to_owned(),
    };
    if statvfs(&tree).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY)) {
        return Diagnosis::missing(
            name,
            format!("{} is mounted read-only", tree.display()),
            "in a container, run it privileged: each host of the lab gets a group of its own",
        );
    }
    if version == cgroup::CgroupVersion::V2 && is_busy_child(root) {
        return Diagnosis::missing(
            name,
            "version 2; this is a container's group, whose processes keep controllers from being switched on",
            "share the machine's control groups with the container, or run on the machine itself",
        );
    }
    let text = match version {
        cgroup::CgroupVersion::V1 => "version 1, with cpu and memory",
        cgroup::CgroupVersion::V2 => "version 2, with cpu and memory",
    };
    Diagnosis::good(name, text)
}

/// Whether a control group below the machine's root has processes, and so cannot switch controllers on. Version 2 lets no
/// group but the machine's root have processes and controllers for its children at once (the kernel's cgroup-v2.rst, "No
/// Internal Process Constraint"). Only the machine's root has no `cgroup.type`.
fn is_busy_child(root: &Path) -> bool {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let enabled = read("cgroup.subtree_control");
    let on = |name: &str| enabled.split_whitespace().any(|found| found == name);
    root.join("cgroup.type").exists()
        && !(on("cpu") && on("memory"))
        && !read("cgroup.procs").trim().is_empty()
}
