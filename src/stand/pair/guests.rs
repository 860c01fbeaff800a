//! What guests need on a host before they come, and what goes with them.

use super::change::Change;
use super::lease::{HOME, LEASE};
use crate::inventory::file::Consent;

/// The folder of the guests' kernel and initramfs, the same on both hosts.
pub const FOLDER: &str = "/var/lib/multivm/guest";

/// Lets guests use a disk on NFS where SELinux enforces.
pub fn selinux() -> Change {
    let is = |value: &str| format!("getsebool virt_use_nfs | grep -q -- '--> {value}'");
    Change {
        name: "62-selinux",
        consent: Some(Consent::Selinux),
        unless: format!("[ \"$(getenforce)\" != Enforcing ] || ! {}", is("off")),
        note: ":".into(),
        act: "setsebool virt_use_nfs on".into(),
        undo: format!("! {} || setsebool virt_use_nfs off", is("on")),
        instead: "setsebool virt_use_nfs on".into(),
    }
}

/// A folder for what guests boot from. It lies on the host: not every policy of SELinux lets QEMU load a kernel from NFS. Its label is the
/// one that libvirt gives such files, since not every policy lets libvirt take any other one from them.
pub fn files() -> Change {
    Change::own(
        "70-guest-files",
        format!(
            "mkdir -p {FOLDER} && chmod 711 {HOME} && chmod 755 {FOLDER} || exit 1\n\
             ! getenforce > /dev/null 2>&1 || chcon -t virt_content_t {FOLDER} || :"
        ),
        format!("rm -rf --one-file-system {FOLDER}"),
    )
}

/// Nothing is made; what goes with the host's lease is every guest of this owner, its logs, and multivm's program.
pub fn guests(owner: &str) -> Change {
    let logs = "/var/log/libvirt/qemu";
    // A host that does not say which guests it has is not put back.
    let undo = format!(
        "while at=$(grep -ls 'MULTIVM_LOAD=1' /proc/[0-9]*/environ | cut -d / -f 3) && [ -n \"$at\" ]; do\n\
         for one in $at; do [ $one = $$ ] || kill -KILL $one 2> /dev/null; done\n\
         done\n\
         remove_logs() {{ ls {logs} 2> /dev/null | grep -x -E '(vm|load)[0-9]+(-console)?[.]log' | while read -r log; do\n\
         grep -q -x -F \"{logs}/$log\" {LEASE}/logs || rm -f \"{logs}/$log\"\n\
         done; }}\n\
         remove_logs\n\
         for folder in /run/multivm-???????????????? /var/lib/multivm-???????????????? /usr/local/lib/multivm-???????????????? \
         /root/multivm-????????????????; do\n\
         [ ! -e \"$folder\" ] || rm -rf \"$(readlink -f \"$folder\")\" \"$folder\"\n\
         done\n\
         command -v virsh > /dev/null || exit 0\n\
         ask() {{ timeout 60 virsh -q -c qemu:///system \"$@\"; }}\n\
         names=$(ask list --all --name) || exit 1\n\
         for name in $names; do\n\
         xml=$(ask dumpxml \"$name\" 2> /dev/null) || {{ ! ask dominfo \"$name\" > /dev/null 2>&1 && continue; exit 1; }}\n\
         printf '%s' \"$xml\" | grep -q -F 'run=\"{owner}\"' || continue\n\
         ask destroy \"$name\" > /dev/null 2>&1\n\
         ! ask dominfo \"$name\" > /dev/null 2>&1 || ask undefine \"$name\" || exit 1\n\
         done\n\
         remove_logs"
    );
    Change { note: format!("ls -d {logs}/* > logs 2> /dev/null || :"), ..Change::own("90-guests", ":", undo) }
}

/// Closes the ports of migrations, which are open for `peer` while the host receives.
pub fn ports(peer: &str, ports: &str) -> Change {
    let close = super::gate::command("close", peer, ports);
    Change { consent: Some(Consent::Firewall), ..Change::own("80-ports", ":", close) }
}
