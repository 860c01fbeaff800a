//! Tells whose a process or a device is, by its name. Of a process the kernel gives the name of the thread, in at most 15
//! characters.

use std::collections::BTreeSet;

use super::device;

/// The most characters that the kernel has of a name: TASK_COMM_LEN is 16, with the end.
const COMM_LEN: usize = 15;

/// Names of QEMU's executable that are no beginnings of others: RHEL's, and Debian's old one.
const EMULATORS: [&str; 2] = ["qemu-kvm", "kvm"];

/// Beginnings of the names of QEMU's threads. The first one is that of its executable (qemu-system-x86_64). QEMU sets the others,
/// because libvirt starts it with `-name ...,debug-threads=on`: accel/*/*-accel-ops.c, iothread.c, migration/migration.h;
/// `live_migration` and `multifd...` before QEMU 9.1.
const GUEST: [&str; 8] = [
    "qemu-system-",
    "CPU ",
    "ALL CPUs/",
    "IO iothread",
    "IO mon_iothread",
    "mig/",
    "live_migration",
    "multifd",
];

/// libvirt's daemons on a host of QEMU guests (libvirt.org/daemons.html): the one of old, or one for each driver. A daemon's
/// workers have its name behind [`WORKERS`].
const LIBVIRT: [&str; 11] = [
    "libvirtd",
    "virtqemud",
    "virtproxyd",
    "virtlogd",
    "virtlockd",
    "virtnetworkd",
    "virtstoraged",
    "virtnodedevd",
    "virtinterfaced",
    "virtnwfilterd",
    "virtsecretd",
];

/// Beginnings of the names of the worker threads of libvirt's daemons (rpc/virnetserver.c): of ordinary calls, and of those that
/// wait for no guest.
const WORKERS: [&str; 2] = ["rpc-", "prio-rpc-"];

/// What else than a daemon's name stands behind [`WORKERS`]: every daemon's server for virt-admin, and any in an old libvirt.
const SERVERS: [&str; 2] = ["admin", "worker"];

/// Programs that libvirt's daemons run on a host, and through which it is reached.
const HELPERS: [&str; 5] =
    ["libvirt_iohelper", "libvirt_leaseshelper", "libvirt_parthelper", "virt-aa-helper", "virt-ssh-helper"];

/// libvirt's thread for the events of all guests, where a guest has none of its own.
const EVENTS: &str = "qemu-event";

/// Beginning of the name of libvirt's thread for one guest.
const OF_GUEST: &str = "vm-";

/// The other daemons that a host runs for multivm.
const DAEMONS: [&str; 5] = ["sshd", "sshd-session", "sshd-auth", "ganesha.nfsd", "rpcbind"];

/// Beginning of the names of multivm's own programs.
const OURS: &str = "multivm";

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
    EMULATORS.contains(&name) || GUEST.iter().any(|begin| name.starts_with(begin))
}

/// Whether a host runs the process for multivm. Every other process there may crash, also one of libvirt's programs for people,
/// as virt-manager: it may have been there before. The kernel's line does not tell QEMUs and daemons of somebody else's from ours.
pub(super) fn is_ours(name: &str) -> bool {
    let is_program = || LIBVIRT.iter().chain(&HELPERS).chain(&DAEMONS).any(|program| cut(program) == name);
    let begins = || [OF_GUEST, OURS].iter().any(|begin| name.starts_with(begin));
    is_guest(name) || name == EVENTS || is_program() || is_worker(name) || begins()
}

/// Whether it is a worker thread of one of libvirt's daemons.
fn is_worker(name: &str) -> bool {
    let servers = || LIBVIRT.iter().chain(&SERVERS);
    WORKERS.iter().any(|begin| servers().any(|server| cut(&format!("{begin}{server}")) == name))
}

/// As much of a program's name as the kernel has.
fn cut(name: &str) -> &str {
    &name[..name.len().min(COMM_LEN)]
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Names as the kernel prints them.
    #[rstest]
    #[case::guest("qemu-system-x86")]
    #[case::guest_of_rhel("qemu-kvm")]
    #[case::guest_of_old_debian("kvm")]
    #[case::vcpu("CPU 0/KVM")]
    #[case::all_vcpus("ALL CPUs/TCG")]
    #[case::channel("multifdsend_0")]
    #[case::old_daemon("libvirtd")]
    #[case::daemon("virtqemud")]
    #[case::daemon_as_long_as_can_be("virtnwfilterd")]
    #[case::log_daemon("virtlogd")]
    #[case::worker("rpc-libvirtd")]
    #[case::cut_worker("rpc-virtstorage")]
    #[case::urgent_worker("prio-rpc-virtqe")]
    #[case::worker_of_old("rpc-worker")]
    #[case::admins_worker("prio-rpc-admin")]
    #[case::events_of_a_guest("vm-vm1")]
    #[case::cut_helper("libvirt_iohelpe")]
    #[case::helper("virt-aa-helper")]
    #[case::way_in("virt-ssh-helper")]
    #[case::login("sshd-session")]
    #[case::server("ganesha.nfsd")]
    #[case::agent("multivm-agent")]
    fn what_a_host_runs_for_multivm_is_ours(#[case] name: &str) {
        assert!(is_ours(name));
    }

    #[rstest]
    #[case::viewer("virt-viewer")]
    #[case::manager("virt-manager")]
    #[case::installer("virt-install")]
    #[case::of_other_guests("virtlxcd")]
    #[case::of_virtualbox("virtvboxd")]
    #[case::shared_folder("virtiofsd")]
    #[case::service("libvirt-dbus")]
    #[case::other_hypervisor("kvmtool")]
    #[case::other_rpc("rpc-server")]
    #[case::other_sshd("sshd_exporter")]
    #[case::other_nfs("ganesha_stats")]
    fn a_name_that_only_begins_like_ours_is_a_strangers(#[case] name: &str) {
        assert!(!is_ours(name));
    }
}
