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

pub(super) fn is_guest(name: &str) -> bool {
    GUEST.iter().any(|begin| name.starts_with(begin))
}

/// What a host runs for multivm. Everything else there may crash as it likes: it may have been there before.
pub(super) fn is_ours(name: &str) -> bool {
    is_guest(name) || LIBVIRT.iter().any(|begin| name.starts_with(begin))
}
