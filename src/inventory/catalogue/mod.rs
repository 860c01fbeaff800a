//! Guests as a user writes them down: a TOML file of images, and of guests that boot from them.
//!
//! Reading the file touches nothing but the file and the beginning of each image that it names.

mod blockers;
mod boot;
mod known;
mod load;
mod master;
mod needs;
mod pace;
mod raw;
mod read;
mod template;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

pub use blockers::{devices, main_disk};
pub use boot::{BootFirmware, DiskKind, Identity};
pub use known::known_sha256;
pub use master::{DiskFormat, Master, MasterFiles, bytes_on_disk, digits};
pub use needs::{DomainNeeds, HostLack};
pub use pace::{COPY_NEWS, copy_limit};
pub use template::DomainTemplate;

use super::Arch;

/// The environment's variable that names a catalogue.
pub const CATALOGUE_VARIABLE: &str = "MULTIVM_CATALOGUE";

/// The most guests that a fleet has.
pub const MOST_GUESTS: u32 = 200;

/// The images and the guests of a file: at least one of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// The file's path as the user knows it.
    pub name: String,
    pub images: Vec<ListedImage>,
    pub groups: Vec<GuestGroup>,
}

/// An image that guests boot from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedImage {
    /// A part of the names of its guests.
    pub name: String,
    pub firmware: BootFirmware,
    pub identity: Identity,
    /// The architecture that the file says it has; without one it is that of the guests of the run.
    pub arch: Option<Arch>,
    /// The user that multivm logs in as.
    pub user: String,
    /// The disk from which guests get overlays; none for the image that multivm builds.
    pub master: Option<Master>,
    /// How the disks of guests are made.
    pub disk: DiskKind,
    /// Lines of its guests' kernel logs that are no findings.
    pub allowed_lines: Vec<HarmlessLine>,
    /// The user's own domain; none where multivm writes one.
    pub domain: Option<DomainTemplate>,
}

/// A line of a kernel log that guests of an image may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HarmlessLine {
    /// The text that such a line contains.
    pub pattern: String,
    /// The reason why it is harmless.
    pub reason: String,
}

/// Equal guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestGroup {
    pub image: String,
    pub count: u32,
    /// Virtual CPUs of each; without a number the profile's.
    pub vcpus: Option<u32>,
    /// Memory of each; without a number the profile's.
    pub memory_mib: Option<u32>,
}

/// One guest of a fleet by catalogue: its image, and what it has of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGuest {
    pub image: String,
    pub vcpus: Option<u32>,
    pub memory_mib: Option<u32>,
}

impl Catalogue {
    /// Every guest, in the order of the file.
    pub fn guests(&self) -> Vec<ListedGuest> {
        let guests = self.groups.iter().flat_map(|group| {
            let image = self.images.iter().find(|image| image.name == group.image);
            let domain = image.and_then(|image| image.domain.as_ref());
            let guest = ListedGuest {
                image: group.image.clone(),
                vcpus: domain.map(|domain| domain.vcpus).or(group.vcpus),
                memory_mib: domain.map(|domain| domain.memory_mib).or(group.memory_mib),
            };
            std::iter::repeat_n(guest, group.count as usize)
        });
        guests.collect()
    }

    /// The images that a guest boots from.
    pub fn images_in_use(&self) -> impl Iterator<Item = &ListedImage> {
        self.images.iter().filter(|image| self.groups.iter().any(|group| group.image == image.name))
    }

    /// The paths of all masters that a guest boots from, each once.
    pub fn masters(&self) -> BTreeSet<&PathBuf> {
        self.images_in_use().filter_map(|image| image.master.as_ref()).map(|master| &master.path).collect()
    }

    /// What sparse copies of all masters take, in bytes. A master that cannot be looked at any more counts as nothing: whoever copies it
    /// says so.
    pub fn bytes_of_masters(&self) -> u64 {
        self.masters().into_iter().map(|path| master::bytes_on_disk(path).unwrap_or(0)).sum()
    }

    /// How long all copies may take together: of each master one for the storage, and those of guests that have one of their own.
    pub fn copies_limit(&self) -> Duration {
        let masters =
            self.masters().into_iter().map(|path| copy_limit(master::bytes_on_disk(path).unwrap_or(0)));
        let of_guests = self.groups.iter().filter_map(|group| {
            let image = self.images.iter().find(|image| image.name == group.image)?;
            let master = image.master.as_ref().filter(|_| image.disk == DiskKind::Copy)?;
            Some(copy_limit(master.disk_size()) * group.count)
        });
        masters.chain(of_guests).sum()
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
