//! The seeds of guests that learn from cloud-init who they are.

use std::fs;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

use super::Fleet;
use crate::failure::{Attempt, Failure, Result};
use crate::guest::Guest;
use crate::image::{CloudInitSeed, SeedHostKey, SeedNetwork};
use crate::inventory::catalogue::BootFirmware;
use crate::inventory::{ImageEntry, SeededKey};

impl Fleet {
    /// Whether a guest boots a distribution's whole system, and not what multivm builds.
    pub(super) fn is_whole_system(&self, guest: &Guest) -> Result<bool> {
        Ok(self.inventory.image(guest.member.image.as_deref())?.firmware != BootFirmware::Kernel)
    }

    /// Checks that the seed of each guest that has one is there: a QEMU that receives the guest opens it.
    ///
    /// # Errors
    ///
    /// One is missing, or another file has its name.
    pub fn seeds_are_there(&self) -> Result<()> {
        match self.lost_seeds()?.into_iter().next() {
            Some((guest, why)) => Err(Failure::new(format!("use the seed of {}", guest.name), why)),
            None => Ok(()),
        }
    }

    /// The guests whose seed is missing or another file, each with the reason.
    pub(super) fn lost_seeds(&self) -> Result<Vec<(Arc<Guest>, String)>> {
        let mut seeded = Vec::new();
        for guest in &self.guests {
            if self.is_whole_system(guest)? {
                seeded.push(Arc::clone(guest));
            }
        }
        let files: Vec<String> = seeded.iter().map(|guest| guest.seed()).collect();
        let lost = self.storage.lost(&files, &self.inventory.owner)?;
        Ok(seeded.into_iter().zip(lost).filter_map(|(guest, why)| Some((guest, why?))).collect())
    }

    /// Puts a seed beside the image of each guest that boots from a disk of its own.
    pub(super) fn create_seeds(&self, guests: &[Arc<Guest>]) -> Result<()> {
        for guest in guests {
            if self.is_whole_system(guest)? {
                let image = self.inventory.image(guest.member.image.as_deref())?;
                let volume = self.seed(guest, &image)?;
                self.storage.put(&guest.seed(), &volume, &self.inventory.owner)?;
            }
        }
        Ok(())
    }

    /// The bytes of a guest's seed.
    fn seed(&self, guest: &Guest, image: &ImageEntry) -> Result<Vec<u8>> {
        let attempted = || format!("make the seed of {}", guest.name);
        let guests = &self.inventory.guests;
        let SeededKey { file, public } = guests.seeded_key.as_ref().ok_or_else(|| {
            Failure::new(attempted(), "the hosts were raised without a host key for guests")
        })?;
        let private = fs::read_to_string(file).attempting(|| format!("read {}", file.display()))?;
        let netmask = guests.netmask.parse().attempting(attempted)?;
        let address = Ipv4Net::with_netmask(guest.address, netmask)
            .map_err(|_| Failure::new(attempted(), format!("{netmask} is no netmask")))?;
        let seed = CloudInitSeed {
            hostname: &guest.name,
            instance_id: &guest.uuid,
            user: &image.user,
            authorized_key: &format!("ssh-ed25519 {} multivm", guests.public_key),
            host_key: SeedHostKey { private: &private, public },
            network: SeedNetwork {
                mac: &guest.mac,
                address: IpNet::V4(address),
                // Guests reach what is in their network, as those do that multivm builds.
                gateway: None,
            },
        };
        // In the folder of the key, which the ledger knows.
        let folder = tempfile::tempdir_in(file.parent().unwrap_or(file)).attempting(attempted)?;
        let path = folder.path().join("seed.iso");
        seed.write(&path)?;
        fs::read(&path).attempting(attempted)
    }
}
