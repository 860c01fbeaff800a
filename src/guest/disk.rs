//! Decides whether the files of guests fit on a disk. Pure arithmetic.

use super::room::mib;
use crate::scenario::{Bytes, Profile};

/// Kernel and initramfs, which each host has: 57 and 1 MiB.
const BOOT_FILES: Bytes = Bytes(64 << 20);

/// The image that all guests have in common: 117 MiB.
const BASE_IMAGE: Bytes = Bytes(128 << 20);

/// Least room for an image of one guest, which has what that guest has written.
const IMAGE: Bytes = Bytes(64 << 20);

/// Size of an image in which a guest has written everything: 744 MiB.
const WHOLE_IMAGE: Bytes = Bytes(768 << 20);

/// The files that are to lie on one disk.
#[derive(Debug, Clone, Copy)]
pub struct DiskNeed<'a> {
    /// Whether guests boot from this disk.
    pub boots: bool,
    /// The profile of the fleet whose images lie there, if they do.
    pub images: Option<&'a Profile>,
    /// What the masters of a catalogue take there, in bytes; 0 without any.
    pub masters: u64,
}

impl DiskNeed<'_> {
    /// The arithmetic of what does not fit into so many bytes at all; none if it fits.
    pub fn lack(&self, free: u64) -> Option<String> {
        let needed = self.sum(IMAGE);
        (needed > free).then(|| {
            let boot = self.boots.then(|| format!("kernel and initramfs of {BOOT_FILES}"));
            let masters = (self.masters > 0).then(|| format!("the catalogue's masters of {}", mib(self.masters)));
            let images = self.images.map(|Profile { guests, load_guests, .. }| {
                format!("a base image of {BASE_IMAGE} + ({guests} guests + {load_guests} load guests) x {IMAGE} at least")
            });
            let parts: Vec<String> = boot.into_iter().chain(masters).chain(images).collect();
            format!("{} = {}", parts.join(" + "), mib(needed))
        })
    }

    /// What the files come to when every guest has written all of its disk, in bytes.
    pub fn at_most(&self) -> u64 {
        self.sum(WHOLE_IMAGE)
    }

    fn sum(&self, image: Bytes) -> u64 {
        let boot = if self.boots { BOOT_FILES.0 } else { 0 };
        let images = self.images.map_or(0, |Profile { guests, load_guests, .. }| {
            BASE_IMAGE.0 + u64::from(guests + load_guests) * image.0
        });
        boot + images + self.masters
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::profile;
    use super::*;

    #[test]
    fn what_does_not_fit_is_a_sum() {
        let profile = Profile { guests: 10, load_guests: 2, ..profile() };
        let need = DiskNeed { boots: true, images: Some(&profile), masters: 0 };
        assert_eq!(need.lack(960 << 20), None);
        let expected = "kernel and initramfs of 64MiB + a base image of 128MiB + (10 guests + 2 load guests) x 64MiB at least = 960 MiB";
        assert_eq!(need.lack((960 << 20) - 1).as_deref(), Some(expected));
        assert_eq!(need.at_most() >> 20, 64 + 128 + 12 * 768);
        let boots = DiskNeed { boots: true, images: None, masters: 0 };
        assert_eq!((boots.lack(64 << 20), boots.at_most()), (None, 64 << 20));
        assert_eq!(boots.lack(0).as_deref(), Some("kernel and initramfs of 64MiB = 64 MiB"));
    }

    #[test]
    fn masters_take_room_beside_the_images() {
        let profile = Profile { guests: 2, load_guests: 0, ..profile() };
        let need = DiskNeed { boots: false, images: Some(&profile), masters: 500 << 20 };
        assert_eq!(need.lack(756 << 20), None);
        let expected = "the catalogue's masters of 500 MiB + a base image of 128MiB + (2 guests + 0 load guests) x 64MiB at least = 756 MiB";
        assert_eq!(need.lack((756 << 20) - 1).as_deref(), Some(expected));
        assert_eq!(need.at_most() >> 20, 500 + 128 + 2 * 768);
    }
}
