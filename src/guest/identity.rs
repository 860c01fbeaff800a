//! The identity of a guest: name, UUID, MAC address, IP address, image.
//!
//! Names are what a user types: vm1, vm2, ... Everything else follows from the owner's random id: another lab has other
//! identities, and every command for one lab finds the same ones.

use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use super::role::Role;
use super::{Guest, addresses};
use crate::failure::Result;
use crate::inventory::catalogue::BootFirmware;
use crate::inventory::{HostKey, Inventory, Login, Sudo, Trust};
use crate::remote::{Agent, Remote};
use crate::scenario::{Member, Profile};

/// Guest `number` (from 1) of a role, on the hosts of an inventory. The image of a catalogue is a part of its name.
pub fn guest(role: Role, number: u32, member: Member, inventory: &Inventory) -> Result<Guest> {
    let name = name(role, number, &member);
    let address = address_of(role, number, inventory)?;
    let login = login(&member, address, inventory)?;
    let drawn = Drawn::of(&inventory.owner, &name);
    Ok(Guest::new(
        name.clone(),
        inventory.owner.clone(),
        drawn.uuid(),
        drawn.mac(),
        address,
        member,
        Agent::on(inventory.guests.arch, Remote::new(name, login))?,
    ))
}

/// The name of guest `number` (from 1) of a role.
fn name(role: Role, number: u32, member: &Member) -> String {
    match &member.image {
        Some(image) => format!("{}-{image}", role.name(number)),
        None => role.name(number),
    }
}

/// The names of a profile's guests that migrate, in order.
pub fn fleet_names(profile: &Profile) -> impl Iterator<Item = String> {
    (1..).zip(profile.members()).map(|(number, member)| name(Role::Fleet, number, &member))
}

/// The way to log in to a guest.
fn login(member: &Member, address: Ipv4Addr, inventory: &Inventory) -> Result<Login> {
    let guests = &inventory.guests;
    let login = Login {
        slowness: inventory.slowness,
        ..Login::of_root(address.to_string(), 22, &guests.key, &guests.known_hosts)
    };
    let image = inventory.image(member.image.as_deref())?;
    Ok(match &guests.seeded_key {
        Some(key) if image.firmware != BootFirmware::Kernel => Login {
            sudo: if image.user == login.user { Sudo::No } else { Sudo::Nopasswd },
            user: image.user,
            trust: Trust::Key(HostKey::Key(key.public.clone())),
            ..login
        },
        _ => login,
    })
}

/// The address of guest `number` of the fleet on the hosts of an inventory.
pub fn address(number: u32, inventory: &Inventory) -> Result<Ipv4Addr> {
    address_of(Role::Fleet, number, inventory)
}

fn address_of(role: Role, number: u32, inventory: &Inventory) -> Result<Ipv4Addr> {
    let guests = &inventory.guests;
    let begin = Drawn::of(&inventory.owner, "addresses").number();
    addresses::address(role, number, guests.addresses, guests.gateway.parse().ok(), begin)
}

/// Bits that belong to one guest alone: a digest of the owner's random id and the guest's name.
struct Drawn([u8; 32]);

impl Drawn {
    fn of(owner: &str, name: &str) -> Drawn {
        Drawn(Sha256::digest(format!("multivm\n{owner}\n{name}")).into())
    }

    /// The bits in the form of a random UUID (RFC 9562, version 4).
    fn uuid(&self) -> String {
        let mut bytes: [u8; 16] = std::array::from_fn(|at| self.0[at]);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// A locally administered unicast address. Its first octet is fixed: libvirt gives the tap an address that begins with
    /// fe, and refuses a guest with such an address.
    fn mac(&self) -> String {
        let octets: Vec<String> = self.0[16..21].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("52:{}", octets.join(":"))
    }

    fn number(&self) -> u32 {
        u32::from_be_bytes(std::array::from_fn(|at| self.0[24 + at]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::role::FLEET_MAX;
    use super::super::testing::{guest, inventory};
    use super::*;

    #[test]
    fn every_command_on_one_lab_finds_the_same_guests() {
        let of = |owner: &str| {
            let guest = guest(Role::Fleet, 1, &inventory(owner)).unwrap();
            (guest.name, guest.uuid, guest.mac, guest.address, guest.image)
        };
        assert_eq!(of("a"), of("a"));
        let (one, other) = (of("a"), of("b"));
        assert_eq!((&*one.0, &*one.4), ("vm1", "vm1.qcow2"));
        assert_eq!((one.0, one.4), (other.0, other.4));
        assert!(one.1 != other.1 && one.2 != other.2 && one.3 != other.3);
    }

    #[test]
    fn no_two_guests_share_anything() {
        let inventory = inventory("a");
        let mut seen = HashSet::new();
        for role in [Role::Fleet, Role::Load] {
            for number in 1..=role.most() {
                let guest = guest(role, number, &inventory).unwrap();
                for part in [guest.name, guest.uuid, guest.mac, guest.address.to_string(), guest.image] {
                    assert!(seen.insert(part.clone()), "{part} twice");
                }
            }
        }
    }

    #[test]
    fn uuids_and_macs_have_the_forms_that_libvirt_takes() {
        for number in 1..=FLEET_MAX {
            let guest = guest(Role::Fleet, number, &inventory("a")).unwrap();
            let uuid = guest.uuid.as_bytes();
            assert_eq!((uuid.len(), uuid[14]), (36, b'4'), "{}", guest.uuid);
            assert!(b"89ab".contains(&uuid[19]), "{}", guest.uuid);
            let first = u8::from_str_radix(&guest.mac[..2], 16).unwrap();
            assert_eq!((guest.mac.len(), first & 0b11), (17, 0b10), "{}", guest.mac);
        }
    }

    #[test]
    fn the_address_of_a_name_is_the_guests() {
        let inventory = inventory("a");
        assert_eq!(address(7, &inventory).unwrap(), guest(Role::Fleet, 7, &inventory).unwrap().address);
        assert!(address(201, &inventory).is_err());
    }
}
