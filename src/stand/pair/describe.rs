//! From a pair and what its hosts say of themselves to the inventory that scenarios are played by.

use std::collections::BTreeMap;
use std::path::Path;

use ipnet::Ipv4Net;

use super::cpu::GuestCpu;
use super::firmware::CommonFirmware;
use super::machine::CommonMachine;
use super::{PairHost, gate, guests};
use crate::failure::{Failure, Result};
use crate::inventory::Arch;
use crate::inventory::catalogue::BootFirmware;
use crate::inventory::file::{Consent, Pair};
use crate::inventory::{
    Accelerator, AcceleratorKind, GuestsEntry, HostEntry, ImageEntry, Inventory, Login, StorageEntry,
    UefiEntry,
};
use crate::remote::{Facts, KVM_RAN};
use crate::stand::keys;

use super::ssh::LoginFiles;

/// How many times longer a host takes whose CPUs QEMU emulates: a guest under its KVM booted in 40 s instead of 5.
const EMULATED: u32 = 8;

/// The file of the image that multivm builds, in the folder of the guests' images.
pub const BASE_IMAGE: &str = "base.qcow2";

/// Everything about a prepared pair.
pub struct PreparedPair<'a> {
    pub pair: &'a Pair,
    pub sides: &'a [PairHost<'a>; 2],
    pub files: &'a LoginFiles,
    pub logins: [Login; 2],
    pub owner: &'a str,
    /// The folder of the guests' images, the same on both hosts.
    pub images: &'a str,
    /// The images of a catalogue in that folder.
    pub entries: Vec<ImageEntry>,
    pub network: GuestNetwork,
    /// The guests' ssh host key.
    pub guest_key: &'a str,
}

/// The network that guests are attached to, on both hosts.
pub struct GuestNetwork {
    pub bridge: String,
    pub subnet: Ipv4Net,
    /// The part of it from which guests get their addresses.
    pub guests: Ipv4Net,
    /// Empty if the guests have none.
    pub gateway: String,
    /// The MTU of the guests, where it is not their own.
    pub mtu: Option<u32>,
}

/// The inventory of a prepared pair.
pub fn inventory(prepared: &PreparedPair<'_>) -> Result<Inventory> {
    let PreparedPair { pair, sides, files, logins, owner, images, entries, network, guest_key } = prepared;
    let [source, target] = sides;
    let accelerator = accelerator(sides);
    let machine = machine_type(source.facts, target.facts)?;
    let has_seeds = entries.iter().any(|image| image.master.is_some());
    let boots_by_uefi = entries.iter().any(|image| image.firmware == BootFirmware::Uefi);
    let uefi = boots_by_uefi.then(|| uefi(source.facts, target.facts, &machine)).transpose()?;
    Ok(Inventory {
        owner: (*owner).to_owned(),
        source: host(source, target, pair, files, &logins[0], images),
        target: host(target, source, pair, files, &logins[1], images),
        storage: StorageEntry {
            is_exclusive: false,
            name: "storage".into(),
            login: logins[0].clone(),
            server: None,
            export: (*images).to_owned(),
            base_image: BASE_IMAGE.into(),
        },
        guests: GuestsEntry {
            kernel: format!("{}/vmlinux", guests::FOLDER),
            initramfs: format!("{}/initramfs", guests::FOLDER),
            arch: Arch::OF_HOSTS,
            machine: Some(machine),
            cpu: cpu(sides)?,
            bridge: network.bridge.clone(),
            addresses: network.guests,
            netmask: network.subnet.netmask().to_string(),
            gateway: network.gateway.clone(),
            mtu: network.mtu,
            key: files.key(),
            public_key: keys::public_half(&files.key())?,
            known_hosts: files.known_hosts(),
            host_key: (*guest_key).to_owned(),
            images: entries.clone(),
            seeded_key: has_seeds.then(|| files.seeded_key()).transpose()?,
            uefi,
        },
        accelerator,
        slowness: slowness(sides),
    })
}

fn host(
    side: &PairHost<'_>,
    peer: &PairHost<'_>,
    pair: &Pair,
    files: &LoginFiles,
    login: &Login,
    images: &str,
) -> HostEntry {
    let PairHost { name, machine, facts, .. } = side;
    let number = |fact: &str| facts.number(fact).unwrap_or_default();
    let said = |fact: &str| facts.one(fact).unwrap_or("unknown").to_owned();
    let ordinary = || keys::libvirt_uri(&machine.user, name, &files.ssh_command());
    let uri = machine.uri.clone().unwrap_or_else(ordinary);
    HostEntry {
        name: (*name).to_owned(),
        login: login.clone(),
        cpu_percent: u32::try_from(number("cpus") * 100).unwrap_or(u32::MAX).max(100),
        memory: number("memory_kib") << 10,
        load_folder: format!("{images}/loads-{name}"),
        control_group: None,
        is_exclusive: false,
        uri,
        migration_address: Some(machine.migration_address.clone()),
        gate: pair
            .allow
            .contains(&Consent::Firewall)
            .then(|| gate::gate(&peer.machine.migration_address, &ports(facts))),
        facts: BTreeMap::from([
            ("address".to_owned(), machine.address.clone()),
            ("system".to_owned(), said("os")),
            ("kernel".to_owned(), said("kernel")),
            ("cpus".to_owned(), said("cpus")),
            ("memory_mib".to_owned(), (number("memory_kib") >> 10).to_string()),
        ]),
    }
}

/// The ports at which a host's QEMU receives, in one word.
pub fn ports(facts: &Facts) -> String {
    let [first, last] = facts.migration_ports();
    format!("{first}-{last}")
}

/// How many times longer than elsewhere everything takes on these hosts.
pub fn slowness(sides: &[PairHost<'_>; 2]) -> u32 {
    if sides.iter().any(|side| is_emulated(side.facts)) { EMULATED } else { 1 }
}

/// Whether a host is a machine whose CPUs QEMU emulates.
fn is_emulated(facts: &Facts) -> bool {
    facts.one("virtualization") == Some("qemu")
}

fn accelerator(sides: &[PairHost<'_>; 2]) -> Accelerator {
    let works = |side: &PairHost<'_>| side.facts.number("kvm_status") == Some(KVM_RAN);
    match sides.iter().find(|side| !works(side)) {
        None if sides.iter().all(|side| is_emulated(side.facts)) => Accelerator {
            kind: AcceleratorKind::Kvm,
            reason: "in machines that TCG runs: both run a boot sector under it".into(),
        },
        None => {
            Accelerator { kind: AcceleratorKind::Kvm, reason: "both hosts run a boot sector under it".into() }
        }
        Some(side) => Accelerator {
            kind: AcceleratorKind::Tcg,
            reason: format!("{} runs no boot sector under KVM", side.name),
        },
    }
}

/// The machine type for guests.
fn machine_type(source: &Facts, target: &Facts) -> Result<String> {
    let refusal = |cause: String| Failure::new("choose a machine type for guests", cause);
    match CommonMachine::of(source, target) {
        CommonMachine::Is(name) => Ok(name),
        CommonMachine::No([one, other]) => Err(refusal(format!(
            "QEMU of the two hosts has none in common: {one} on the source, {other} on the target"
        ))
        .try_next("two hosts of one distribution, or of versions closer to each other")),
        CommonMachine::Unknown => Err(refusal("libvirt of a host did not say which its QEMU has".into())
            .try_next("virsh -c qemu:///system capabilities there")),
    }
}

/// The firmware for guests that boot by UEFI. Their variables lie beside what guests boot from, which goes with the host's lease.
fn uefi(source: &Facts, target: &Facts, machine: &str) -> Result<UefiEntry> {
    let CommonFirmware { code, variables } =
        CommonFirmware::of([source, target], machine).map_err(|lack| {
            Failure::new("choose a UEFI firmware for guests", lack.to_string())
                .try_next("multivm doctor --inventory FILE says what each host has")
        })?;
    Ok(UefiEntry { code, variables, own: guests::FOLDER.into() })
}

/// libvirt's description of the guests' CPU; none for the ordinary one.
fn cpu([source, target]: &[PairHost<'_>; 2]) -> Result<Option<String>> {
    let refusal = |cause: String| Failure::new("choose a CPU for guests", cause);
    match GuestCpu::of([&source.remote, &target.remote], [source.facts, target.facts])? {
        GuestCpu::Ordinary(_) => Ok(None),
        GuestCpu::Common { xml, .. } => Ok(Some(xml)),
        GuestCpu::No { differ, why } => {
            Err(refusal(format!("the two hosts have none in common: {differ}; {why}"))
                .try_next("two hosts whose CPUs are of one vendor"))
        }
        GuestCpu::Unknown => Err(refusal("libvirt of a host did not say which it can give".into())
            .try_next("virsh -c qemu:///system domcapabilities there")),
    }
}

/// A path on a host, as text.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_own_ports_are_opened() {
        assert_eq!(ports(&Facts::parse("end yes\n").unwrap()), "49152-49215");
        let own = Facts::parse("migration_port_min 50000\nmigration_port_max 50010\nend yes\n").unwrap();
        assert_eq!(ports(&own), "50000-50010");
    }
}
