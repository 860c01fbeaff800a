//! The inventory file of the machines: all that anybody else knows of them.

use super::machine::{BRIDGE, MACHINES, SUBNET};
use super::network::{CONTROLLER, GUESTS};
use crate::axis::AxisValue;
use crate::inventory::file::Consent;

/// The name of the file with the password, beside the inventory.
pub const PASSWORD: &str = "password";

/// The inventory file of machines with these host keys: two hosts with a root password, and leave to change anything, since they are
/// thrown away.
pub fn text(host_keys: [&str; 2]) -> String {
    let hosts: String = ["source", "target"]
        .iter()
        .zip(MACHINES.iter().zip(host_keys))
        .map(|(side, (machine, host_key))| {
            format!(
                "[pair.{side}]\naddress = \"{}\"\npassword = {{ file = \"./{PASSWORD}\" }}\nhost_key = \"{host_key}\"\n\n",
                machine.address
            )
        })
        .collect();
    let allow: Vec<String> = Consent::all().iter().map(|consent| format!("\"{consent}\"")).collect();
    format!(
        "# Machine hosts on this machine. `multivm lab down` takes them down, and this file goes with them.\n\n\
         [[pair]]\nname = \"machines\"\nallow = [{}]\n\n\
         {hosts}\
         [pair.storage]\nserve_on = \"source\"\n\n\
         [pair.network]\nbridge = \"{BRIDGE}\"\nsubnet = \"{SUBNET}\"\nguests = \"{GUESTS}\"\ngateway = \"{CONTROLLER}\"\n",
        allow.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::inventory::file::{Folders, InventoryFile, Network, Server, SharedStorage};
    use crate::inventory::{Access, HostKey, Secret};

    #[test]
    fn any_reader_of_inventories_can_read_it() {
        let keys = ["A", "B"].map(|letter| format!("ssh-ed25519 {}", letter.repeat(68)));
        let folders = Folders { file: Path::new("/state/machines"), home: None };
        let file = InventoryFile::parse("inventory.toml", &text([&keys[0], &keys[1]]), &folders).unwrap();
        let pair = file.pair(None).unwrap();
        assert_eq!((&*pair.source.address, &*pair.target.address), ("198.18.9.11", "198.18.9.12"));
        assert_eq!(pair.target.host_key, Some(HostKey::Key(keys[1].clone())));
        let Access::Password(Secret::File(path)) = &pair.source.access else {
            panic!("{:?}", pair.source.access)
        };
        assert_eq!(path, Path::new("/state/machines/./password"));
        assert_eq!((&*pair.source.user, pair.allow.len()), ("root", Consent::all().len()));
        assert_eq!(pair.storage, SharedStorage::ServeOn(Server::Source));
        assert!(matches!(&pair.network, Network::Bridge { bridge, .. } if bridge == BRIDGE));
    }
}
