//! A guest's domain XML, from the template under `fixtures/guest/`.

use minijinja::{Environment, UndefinedBehavior, context};

use crate::failure::{Attempt, Result};
use crate::inventory::{AcceleratorKind, Inventory};
use crate::libvirt::Version;
use crate::scenario::Profile;

const TEMPLATE: &str = include_str!("../../fixtures/guest/domain.xml.j2");

/// What a kernel does at boot for the sake of real hardware, a quarter of its boot time under TCG: patching itself
/// against speculative execution, relocating itself, testing its ciphers, looking for serial ports.
const QUICK_UNDER_TCG: &str = " mitigations=off nokaslr cryptomgr.notests 8250.nr_uarts=1";

/// How every guest's description begins: nothing else is ever removed from a host.
pub const MADE_BY_MULTIVM: &str = "<description>created by multivm: ";

/// A guest's description: what it is known by, and of which profile it is.
pub fn description(profile: &Profile) -> String {
    format!("created by multivm: {} vCPUs, {}", profile.vcpus, profile.memory)
}

/// What differs between guests.
pub struct Identity<'a> {
    pub name: &'a str,
    pub uuid: &'a str,
    pub mac: &'a str,
    pub address: &'a str,
    pub image: &'a str,
}

/// The domain of one guest.
pub fn xml(
    guest: &Identity<'_>,
    inventory: &Inventory,
    profile: &Profile,
    oldest_qemu: Version,
) -> Result<String> {
    // Both hosts must know the machine type: QEMU keeps those of its older versions.
    let machine = format!("pc-i440fx-{}.{}", oldest_qemu.major, oldest_qemu.minor);
    let attempted = || format!("write the domain of {} from fixtures/guest/domain.xml.j2", guest.name);
    let guests = &inventory.guests;
    // ip= is the kernel's own syntax (Documentation/admin-guide/nfs/nfsroot.rst), systemd.machine_id= is systemd's.
    let emulated = match inventory.accelerator.kind {
        AcceleratorKind::Kvm => "",
        AcceleratorKind::Tcg => QUICK_UNDER_TCG,
    };
    let command_line = format!(
        "console=ttyS0 quiet{emulated} ip={}::{}:{}:{}:eth0 systemd.machine_id={} multivm.key={}",
        guest.address,
        guests.gateway,
        guests.netmask,
        guest.name,
        guest.uuid.replace('-', ""),
        guests.public_key
    );
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("domain.xml", TEMPLATE).attempting(attempted)?;
    let template = environment.get_template("domain.xml").attempting(attempted)?;
    template
        .render(context! {
            domain_type => match inventory.accelerator.kind {
                AcceleratorKind::Kvm => "kvm",
                AcceleratorKind::Tcg => "qemu",
            },
            machine,
            description => description(profile),
            name => guest.name,
            uuid => guest.uuid,
            memory => profile.memory.0,
            vcpus => profile.vcpus,
            kernel => &guests.kernel,
            initramfs => &guests.initramfs,
            command_line,
            export => &inventory.storage.export,
            server => &inventory.storage.server,
            image => guest.image,
            base_image => &inventory.storage.base_image,
            bridge => &guests.bridge,
            mac => guest.mac,
            console => console_path(guest.name),
        })
        .attempting(attempted)
}

/// Where a host's QEMU writes the guest's serial console.
pub fn console_path(name: &str) -> String {
    format!("/var/log/libvirt/qemu/{name}-console.log")
}
