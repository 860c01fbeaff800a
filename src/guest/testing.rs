//! Common helpers for the tests of this room.

use std::collections::BTreeMap;

use super::role::Role;
use super::{Guest, identity};
use crate::failure::Result;
use crate::inventory::{
    Accelerator, AcceleratorKind, Arch, GuestsEntry, HostEntry, Inventory, Login, StorageEntry,
};
use crate::scenario::{Bytes, Member, Profile, ScenarioFile, locate};

/// The profile `lab` of the project's own file.
pub fn profile() -> Profile {
    let file = ScenarioFile::load(&locate(None, |_| None)).unwrap();
    file.profile("lab").unwrap().clone()
}

/// Guest `number` of a role, of the image that multivm builds.
pub fn guest(role: Role, number: u32, inventory: &Inventory) -> Result<Guest> {
    let member = Member { image: None, vcpus: 1, memory: Bytes(256 << 20) };
    identity::guest(role, number, member, inventory)
}

/// An inventory of unreachable hosts that belong to `owner`.
pub fn inventory(owner: &str) -> Inventory {
    let login = || Login::of_root("127.0.0.1", 1, "key", "known_hosts");
    let host = |name: &str| HostEntry {
        control_group: None,
        is_exclusive: false,
        name: name.into(),
        login: login(),
        cpu_percent: 200,
        memory: 4 << 30,
        load_folder: "/mnt/multivm".into(),
        uri: "test:///default".into(),
        migration_address: None,
        gate: None,
        facts: BTreeMap::new(),
    };
    Inventory {
        owner: owner.into(),
        source: host("source"),
        target: host("target"),
        storage: StorageEntry {
            is_exclusive: false,
            name: "storage".into(),
            login: login(),
            server: Some("198.18.0.1".into()),
            export: "/export".into(),
            base_image: "base.qcow2".into(),
        },
        guests: GuestsEntry {
            kernel: "/boot/kernel".into(),
            initramfs: "/boot/initramfs".into(),
            arch: Arch::OF_HOSTS,
            machine: None,
            cpu: None,
            bridge: "br0".into(),
            addresses: "198.18.7.0/24".parse().unwrap(),
            netmask: "255.255.0.0".into(),
            gateway: "198.18.0.1".into(),
            mtu: None,
            key: "key".into(),
            public_key: "AAAA".into(),
            known_hosts: "known_hosts".into(),
            host_key: "ssh-ed25519 BBBB".into(),
            images: Vec::new(),
            seeded_key: None,
            uefi: None,
        },
        accelerator: Accelerator { kind: AcceleratorKind::Tcg, reason: "for a test".into() },
        slowness: 1,
    }
}
