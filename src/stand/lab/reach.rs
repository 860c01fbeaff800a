//! How the machines of the lab are reached.

use std::fmt::Write;

use crate::inventory::Inventory;

/// Instructions for reaching the machines of the lab.
pub(super) fn reach(inventory: &Inventory) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<12}  {what}");
    };
    for host in [&inventory.source, &inventory.target] {
        let fact = |name: &str| host.facts.get(name).map_or("unknown", String::as_str);
        let what = format!(
            "{}  {}: libvirt {}, QEMU {}; {} CPUs, {} MiB",
            host.login.address,
            fact("suite"),
            fact("libvirt_package"),
            fact("qemu_package"),
            fact("cpus"),
            fact("memory_mib")
        );
        line(&host.name, &what);
    }
    line(
        &inventory.storage.name,
        &format!("{}  NFS export {}", inventory.storage.login.address, inventory.storage.export),
    );
    line("accelerator", &inventory.accelerator.to_string());
    text.push_str(
        "\n  multivm lab ssh source          a shell on a host (also target, storage; guests: vm1, vm2, ...)\n  \
         multivm lab ssh source -- virsh list --all\n  \
         multivm lab down                take it down\n",
    );
    text
}
