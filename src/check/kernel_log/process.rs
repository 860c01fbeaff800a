//! Whose process a name is. The kernel says the name of the thread, in at most 15 characters.

/// Names of QEMU's threads: the first by its executable (qemu-system-x86_64, RHEL's qemu-kvm, Debian's old kvm),
/// the others by QEMU, because libvirt starts it with `-name ...,debug-threads=on`: accel/*/*-accel-ops.c, iothread.c,
/// migration/migration.h; `live_migration` and `multifd...` before QEMU 9.1.
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

/// Names of libvirt's threads: libvirtd, or virtqemud, virtlogd, ...; their worker threads; the ones that serve a guest.
const LIBVIRT: [&str; 6] = ["libvirt", "virt", "rpc-", "prio-rpc-", "qemu-event", "vm-"];

/// How the other daemons are called that a host runs for multivm.
const DAEMONS: [&str; 4] = ["sshd", "ganesha", "rpcbind", "multivm"];

pub(super) fn is_guest(name: &str) -> bool {
    GUEST.iter().any(|begin| name.starts_with(begin))
}

/// What a host runs for multivm. Everything else there may crash as it likes: it may have been there before.
pub(super) fn is_ours(name: &str) -> bool {
    is_guest(name) || LIBVIRT.iter().chain(&DAEMONS).any(|begin| name.starts_with(begin))
}

/// What lives on the hosts under one kernel, beside whatever else this kernel has.
#[derive(Debug)]
pub(super) struct Household {
    /// How the names of the programs begin that multivm runs there as load.
    pub loads: Vec<String>,
    /// Names of control groups, in each of which everything of one host runs. None: a host is the whole machine.
    pub groups: Vec<String>,
}

/// A process that the kernel killed, or chose to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Victim {
    pub name: String,
    /// Path of its control group, where the kernel says it.
    pub group: Option<String>,
}

impl Household {
    /// Whether the kernel may kill a process for want of memory: a load may be larger than the memory of its host on purpose,
    /// and what is not of these hosts is nobody's business here.
    pub fn may_lose(&self, victim: &Victim) -> bool {
        self.is_load(&victim.name) || !self.has(victim)
    }

    pub fn is_load(&self, name: &str) -> bool {
        self.loads.iter().any(|load| name.starts_with(load.as_str()))
    }

    /// The kernel prints the whole path of a control group, also of one within a container.
    fn has(&self, victim: &Victim) -> bool {
        match &victim.group {
            Some(path) if !self.groups.is_empty() => {
                path.split('/').any(|part| self.groups.iter().any(|group| group == part))
            }
            _ => is_ours(&victim.name),
        }
    }
}
