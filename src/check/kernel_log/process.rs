//! Tells whose a process or a device is, by its name. Of a process the kernel gives the name of the thread, in at most 15
//! characters.

use std::collections::BTreeSet;

use super::device;

/// Beginnings of the names of QEMU's threads. The first ones are names of its executable (qemu-system-x86_64, RHEL's
/// qemu-kvm, Debian's old kvm). QEMU sets the others, because libvirt starts it with `-name ...,debug-threads=on`:
/// accel/*/*-accel-ops.c, iothread.c, migration/migration.h; `live_migration` and `multifd...` before QEMU 9.1.
const GUEST: [&str; 10] = [
    "qemu-system",
    "qemu-kvm",
    "kvm",
    "CPU ",
    "ALL CPUs/",
    "IO iothread",
    "IO mon_iothread",
    "mig/",
    "live_migration",
    "multifd",
];

/// Beginnings of the names of libvirt's threads: libvirtd, or virtqemud, virtlogd, ...; their worker threads; those that
/// serve a guest.
const LIBVIRT: [&str; 6] = ["libvirt", "virt", "rpc-", "prio-rpc-", "qemu-event", "vm-"];

/// Beginnings of the names of the other daemons that a host runs for multivm.
const DAEMONS: [&str; 4] = ["sshd", "ganesha", "rpcbind", "multivm"];

/// Beginnings of the names of programs that multivm, libvirt and NFS run on hosts for a moment.
const TOOLS: [&str; 7] = ["qemu-", "virsh", "nft", "iptables", "ip6tables", "mount.nfs", "rpc."];

/// Beginnings of the names of threads of the kernel: what holds one of them up may hold up everybody. `vhost-` is a guest's.
const KERNELS: [&str; 21] = [
    "kworker",
    "kthread",
    "ksoftirqd",
    "kswapd",
    "kcompactd",
    "khugepaged",
    "khungtaskd",
    "kdevtmpfs",
    "ksmd",
    "kvm-",
    "vhost-",
    "migration/",
    "cpuhp/",
    "rcu",
    "idle_inject/",
    "irq/",
    "jbd2/",
    "xfs",
    "btrfs",
    "nfsd",
    "lockd",
];

pub(super) fn is_guest(name: &str) -> bool {
    GUEST.iter().any(|begin| name.starts_with(begin))
}

/// Whether a host runs the process for multivm. Every other process there may crash: it may have been there before.
pub(super) fn is_ours(name: &str) -> bool {
    is_guest(name) || LIBVIRT.iter().chain(&DAEMONS).any(|begin| name.starts_with(begin))
}

/// The processes of the hosts under one kernel, which may have other processes as well.
#[derive(Debug)]
pub(super) struct Household {
    /// Beginnings of the names of the programs that multivm runs on the hosts as load.
    pub loads: Vec<String>,
    /// Names of the control groups that hold everything of one host each. None: a host is the whole machine.
    pub groups: Vec<String>,
    /// The block devices that the hosts and the storage stand on. None: nobody knows, and every device may be one.
    pub devices: Option<BTreeSet<String>>,
}

/// A process that the kernel killed or chose to kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Victim {
    pub name: String,
    /// Path of the process's control group, if the kernel gives it.
    pub group: Option<String>,
}

impl Household {
    /// Whether the kernel may kill a process for want of memory: a load may be larger than the memory of its host on
    /// purpose, and processes outside these hosts are not this check's business.
    pub fn may_lose(&self, victim: &Victim) -> bool {
        self.is_load(&victim.name) || !self.has(victim)
    }

    /// Whether it matters to these hosts what holds the process or thread up, or refuses it memory: it is the kernel's, or a
    /// host runs it for multivm.
    pub fn concerns(&self, name: &str) -> bool {
        if device::of_thread(name).is_some_and(|device| !self.stands_on(device)) {
            return false;
        }
        let known = KERNELS.iter().chain(&TOOLS).any(|begin| name.starts_with(begin));
        // Threads of a RAID are named by its device, as md0_raid1.
        let of_raid =
            name.strip_prefix("md").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        known || of_raid || name == "ip" || is_ours(name) || self.is_load(name)
    }

    /// Whether the hosts or the storage stand on a block device. Others come and go on the same machine: somebody's stick,
    /// or a file that he has mounted.
    pub fn stands_on(&self, device: &str) -> bool {
        self.devices.as_ref().is_none_or(|devices| devices.contains(device))
    }

    pub fn is_load(&self, name: &str) -> bool {
        self.loads.iter().any(|load| name.starts_with(load.as_str()))
    }

    /// Whether the victim is of these hosts. The kernel prints the whole path of a control group, even of one within a
    /// container.
    fn has(&self, victim: &Victim) -> bool {
        match &victim.group {
            Some(path) if !self.groups.is_empty() => {
                path.split('/').any(|part| self.groups.iter().any(|group| group == part))
            }
            _ => is_ours(&victim.name),
        }
    }
}
