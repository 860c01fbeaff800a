//! What tells guests apart: name, UUID, address, MAC address, image.

use std::net::Ipv4Addr;

use super::Guest;
use crate::failure::{Attempt, Result};
use crate::inventory::Inventory;
use crate::inventory::Login;
use crate::remote::Remote;

/// What a guest is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Migrates: vm1, vm2, ...
    Fleet,
    /// Boots as load while others migrate: load1, load2, ...
    Load,
}

/// Host part of the first load guest's address is one more: a fleet has at most so many guests.
const FLEET_MAX: u32 = 200;

/// Guest N of a role: address PREFIX.N (load guests PREFIX.200+N), a MAC under QEMU's prefix 52:54:00 that holds the
/// same number.
pub fn guest(role: Role, number: u32, inventory: &Inventory) -> Result<Guest> {
    let (name, number) = match role {
        Role::Fleet => (format!("vm{number}"), number),
        Role::Load => (format!("load{number}"), FLEET_MAX + number),
    };
    let text = format!("{}.{number}", inventory.guests.address_prefix);
    let address: Ipv4Addr = text.parse().attempting(|| format!("give {name} the address {text}"))?;
    let login = Login {
        address: text,
        port: 22,
        user: "root".into(),
        key: inventory.guests.key.clone(),
        known_hosts: inventory.guests.known_hosts.clone(),
    };
    Ok(Guest::new(
        name.clone(),
        format!("6d756c74-6976-4d00-8000-{number:012x}"),
        format!("52:54:00:6d:76:{number:02x}"),
        address,
        format!("{name}.qcow2"),
        Remote::new(name, login),
    ))
}
