//! Decides whether the files of guests fit on a disk. Pure arithmetic.

use super::room::mib;
use crate::inventory::catalogue::{Catalogue, DiskKind, Master};
use crate::scenario::{Bytes, Profile};
use crate::sys::words::counted;

/// Kernel and initramfs, which each host has: 57 and 1 MiB.
const BOOT_FILES: Bytes = Bytes(64 << 20);

/// The image that all guests have in common: 117 MiB.
const BASE_IMAGE: Bytes = Bytes(128 << 20);

/// Least room for an image of one guest, which has what that guest has written.
const IMAGE: Bytes = Bytes(64 << 20);

/// Size of an image in which a guest has written everything: 744 MiB.
const WHOLE_IMAGE: Bytes = Bytes(768 << 20);

/// Least room for the overlay of a distribution's whole system, for what its first boot writes.
const SYSTEM_IMAGE: Bytes = Bytes(256 << 20);

/// Most room on the disk of a guest of the image that multivm builds, before the guest writes: 599 MiB in trixie's, and a little more in
/// larger ones.
const FREE_IN_IMAGE: Bytes = Bytes(640 << 20);

/// The files that are to lie on one disk.
#[derive(Debug, Clone, Copy)]
pub struct DiskNeed<'a> {
    /// Whether guests boot from this disk.
    pub boots: bool,
    /// The fleet whose images lie there, if they do.
    pub images: Option<WantedFleet<'a>>,
}

/// A fleet that is to be started.
#[derive(Debug, Clone, Copy)]
pub struct WantedFleet<'a> {
    pub profile: &'a Profile,
    /// The catalogue that lists the guests, if one does.
    pub catalogue: Option<&'a Catalogue>,
}

impl WantedFleet<'_> {
    /// The images with a boot loader of their own from which guests boot, each with the number of its guests and how their disks are made.
    fn systems(&self) -> impl Iterator<Item = (&Master, DiskKind, u64)> {
        let images = self.catalogue.into_iter().flat_map(Catalogue::images_in_use);
        images.filter_map(|image| {
            let guests = self.profile.listed.iter().filter(|guest| guest.image == image.name).count();
            Some((image.master.as_ref()?, image.disk, guests as u64))
        })
    }

    /// The number of guests that boot a distribution's whole system.
    fn of_systems(&self) -> u64 {
        self.systems().map(|(_, _, guests)| guests).sum()
    }

    /// The guests with whole copies, and what these come to. A copy of a compressed image is larger than the image from the beginning, so
    /// that a copy counts as all of its disk.
    fn copies(&self) -> (u64, u64) {
        let copies = self.systems().filter(|(_, kind, _)| *kind == DiskKind::Copy);
        copies.fold((0, 0), |(count, bytes), (master, _, guests)| {
            (count + guests, bytes + guests * master.disk_size())
        })
    }

    /// The most bytes that the guest with the smallest disk can write. Of a distribution's image, only the disk's size is known.
    pub fn smallest_disk(&self) -> u64 {
        let systems = self.systems().filter(|(_, _, guests)| *guests > 0);
        let sizes = systems.map(|(master, ..)| master.disk_size());
        let own = (u64::from(self.profile.guests) > self.of_systems()).then_some(FREE_IN_IMAGE.0);
        sizes.chain(own).min().unwrap_or(FREE_IN_IMAGE.0)
    }

    /// What the masters take, each file once.
    fn masters(&self) -> Bytes {
        Bytes(self.catalogue.map_or(0, Catalogue::bytes_of_masters))
    }

    /// The number of guests of the image that multivm builds, those that boot as load among them.
    fn of_multivm(&self) -> u64 {
        u64::from(self.profile.guests + self.profile.load_guests) - self.of_systems()
    }

    /// What masters and overlays come to where each guest has written as little as possible, or all of its disk.
    fn sum(&self, full: bool) -> u64 {
        let own = if full { WHOLE_IMAGE } else { IMAGE };
        let of = |(master, kind, guests): (&Master, DiskKind, u64)| {
            guests * if full || kind == DiskKind::Copy { master.disk_size() } else { SYSTEM_IMAGE.0 }
        };
        BASE_IMAGE.0 + self.masters().0 + self.of_multivm() * own.0 + self.systems().map(of).sum::<u64>()
    }

    /// The sum of the least room, for people.
    fn arithmetic(&self) -> String {
        let Profile { guests, load_guests, .. } = self.profile;
        let systems = self.of_systems();
        let guests = u64::from(*guests) - systems;
        let own = format!(
            "a base image of {BASE_IMAGE} + ({guests} guests + {load_guests} load guests) x {IMAGE} at least"
        );
        if systems == 0 {
            return own;
        }
        let (copies, bytes) = self.copies();
        let mut sum = format!("{own} + masters of {}", mib(self.masters().0));
        if systems > copies {
            sum += &format!(" + {} whole systems x {SYSTEM_IMAGE} at least", systems - copies);
        }
        if copies > 0 {
            let copies = counted(copies, "whole copy", "whole copies");
            sum += &format!(" + {copies} with disks of {}", mib(bytes));
        }
        sum
    }
}

impl DiskNeed<'_> {
    /// The arithmetic of what does not fit into so many bytes at all; none if it fits.
    pub fn lack(&self, free: u64) -> Option<String> {
        let needed = self.at_least();
        (needed > free).then(|| {
            let boot = self.boots.then(|| format!("kernel and initramfs of {BOOT_FILES}"));
            let images = self.images.map(|fleet| fleet.arithmetic());
            let parts: Vec<String> = boot.into_iter().chain(images).collect();
            format!("{} = {}", parts.join(" + "), mib(needed))
        })
    }

    /// What the files come to when every guest has written as little as possible, in bytes.
    pub fn at_least(&self) -> u64 {
        self.sum(false)
    }

    /// What the files come to when every guest has written all of its disk, in bytes.
    pub fn at_most(&self) -> u64 {
        self.sum(true)
    }

    fn sum(&self, full: bool) -> u64 {
        let boot = if self.boots { BOOT_FILES.0 } else { 0 };
        boot + self.images.map_or(0, |fleet| fleet.sum(full))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::profile;
    use super::*;
    use crate::inventory::catalogue::testing::{bootable, catalogue_in};

    #[test]
    fn what_does_not_fit_is_a_sum() {
        let profile = Profile { guests: 10, load_guests: 2, ..profile() };
        let fleet = WantedFleet { profile: &profile, catalogue: None };
        let need = DiskNeed { boots: true, images: Some(fleet) };
        assert_eq!(need.lack(960 << 20), None);
        let expected = "kernel and initramfs of 64MiB + a base image of 128MiB + (10 guests + 2 load guests) x 64MiB at least = 960 MiB";
        assert_eq!(need.lack((960 << 20) - 1).as_deref(), Some(expected));
        assert_eq!(need.at_most() >> 20, 64 + 128 + 12 * 768);
        let boots = DiskNeed { boots: true, images: None };
        assert_eq!((boots.lack(64 << 20), boots.at_most()), (None, 64 << 20));
        assert_eq!(fleet.smallest_disk() >> 20, 640);
        assert_eq!(boots.lack(0).as_deref(), Some("kernel and initramfs of 64MiB = 64 MiB"));
    }

    #[test]
    fn a_whole_system_takes_its_master_and_an_overlay_as_large_as_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("disk"), [bootable(), vec![7; (3 << 20) - 512]].concat()).unwrap();
        let text = "image = [{ name = 'tiny', firmware = 'kernel', identity = 'kernel' }, \
                    { name = 'a', file = 'disk', firmware = 'bios', identity = 'cloud-init' }, \
                    { name = 'b', file = 'disk', firmware = 'uefi', identity = 'cloud-init' }]\n\
                    guest = [{ image = 'tiny' }, { image = 'a', count = 2 }, { image = 'b' }]\n";
        let catalogue = catalogue_in(folder.path(), text);
        let profile = Profile { load_guests: 1, ..profile() };
        let profile = profile.with_guests_of(Some(&catalogue), |_| None).unwrap();
        let need = DiskNeed {
            boots: false,
            images: Some(WantedFleet { profile: &profile, catalogue: Some(&catalogue) }),
        };
        let least = 128 + 3 + 2 * 64 + 3 * 256;
        assert_eq!(need.lack(least << 20), None);
        let lack = need.lack((least << 20) - 1).unwrap();
        assert!(
            lack.ends_with(&format!("masters of 3 MiB + 3 whole systems x 256MiB at least = {least} MiB")),
            "{lack}"
        );
        assert_eq!(need.at_most() >> 20, 128 + 3 + 2 * 768 + 3 * 3);
        assert_eq!(need.images.unwrap().smallest_disk() >> 20, 3);
    }

    /// A compressed image in a file of some KiB, with a disk of 5 GiB: its copy may be as large.
    #[test]
    fn a_whole_copy_takes_all_of_its_disk_from_the_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = vec![0; 4096];
        disk[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        disk[24..32].copy_from_slice(&(5u64 << 30).to_be_bytes());
        std::fs::write(folder.path().join("disk"), &disk).unwrap();
        let text = "image = [{ name = 'a', file = 'disk', firmware = 'bios', identity = 'cloud-init', disk = 'copy' }, \
                    { name = 'b', file = 'disk', firmware = 'bios', identity = 'cloud-init' }]\n\
                    guest = [{ image = 'a', count = 2 }, { image = 'b' }]\n";
        let catalogue = catalogue_in(folder.path(), text);
        let profile = Profile { load_guests: 0, ..profile() };
        let profile = profile.with_guests_of(Some(&catalogue), |_| None).unwrap();
        let images = Some(WantedFleet { profile: &profile, catalogue: Some(&catalogue) });
        let need = DiskNeed { boots: false, images };
        let masters = catalogue.bytes_of_masters();
        let (least, most) = ((128 + 2 * 5120 + 256) << 20, (128 + 3 * 5120) << 20);
        assert_eq!((need.lack(least + masters), need.at_most()), (None, most + masters));
        assert_eq!(
            need.images.unwrap().smallest_disk(),
            5 << 30,
            "no guest is of the image that multivm builds"
        );
        let lack = need.lack(least + masters - 1).unwrap();
        assert!(
            lack.contains(" + 1 whole systems x 256MiB at least + 2 whole copies with disks of 10240 MiB = "),
            "{lack}"
        );
    }
}
