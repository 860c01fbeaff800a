//! Checks the file systems of the state directory and of the cache.

use std::path::{Path, PathBuf};

use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC,
    XFS_SUPER_MAGIC, statfs,
};
use nix::sys::statvfs::statvfs;

use super::Diagnosis;
use crate::guest::{DiskNeed, StorageRoom, WantedFleet};
use crate::ledger::{Ledger, state_directory};
use crate::stand::Settings;

/// File systems that are known to give file handles to user space.
const WITH_HANDLES: [(FsType, &str); 5] = [
    (EXT4_SUPER_MAGIC, "ext2, ext3 or ext4"),
    (XFS_SUPER_MAGIC, "XFS"),
    (BTRFS_SUPER_MAGIC, "Btrfs"),
    (F2FS_SUPER_MAGIC, "F2FS"),
    (TMPFS_MAGIC, "tmpfs"),
];

/// Most disk space for making one image, in MiB. The finished trees of trixie take 653 and 128 MiB; packages and products
/// lie beside them for a while.
const MIB_PER_IMAGE: u64 = 1536;

/// Checks file handles and disk space.
pub fn examine(settings: &Settings) -> Vec<Diagnosis> {
    vec![handles(), space(settings)]
}

/// Checks for file handles: the NFS server opens files by handle (name_to_handle_at), which not every file system supports.
fn handles() -> Diagnosis {
    let name = "file handles";
    let directory = state_directory();
    let advice = format!(
        "put {} on a file system such as ext4, XFS, Btrfs or tmpfs; in a container, on a volume",
        directory.display()
    );
    let found = existing(&directory);
    match statfs(&found).map(|found| found.filesystem_type()) {
        Err(error) => Diagnosis::warn(name, format!("{}: {error}", found.display()), advice),
        Ok(OVERLAYFS_SUPER_MAGIC) => Diagnosis::missing(
            name,
            format!("{} is on overlayfs, which has none: the NFS server cannot export it", found.display()),
            advice,
        ),
        Ok(kind) => match WITH_HANDLES.iter().find(|(known, _)| *known == kind) {
            Some((_, text)) => Diagnosis::good(name, format!("{} is on {text}", found.display())),
            None => Diagnosis::warn(
                name,
                format!(
                    "{} is on a file system (type {:#x}) of which it is not known whether it has them",
                    found.display(),
                    kind.0
                ),
                format!("if the lab's NFS server does not start: {advice}"),
            ),
        },
    }
}

fn space(settings: &Settings) -> Diagnosis {
    let name = "disk space";
    let found = existing(&settings.store.cache);
    let missing = settings.images().iter().filter(|(_, there)| !there).count() as u64;
    let needed = missing * MIB_PER_IMAGE;
    match statvfs(&found) {
        Err(error) => Diagnosis::warn(
            name,
            format!("{}: {error}", found.display()),
            "MULTIVM_CACHE names another directory for the images",
        ),
        Ok(stat) => {
            let free = stat.blocks_available().saturating_mul(stat.fragment_size()) >> 20;
            let seen = format!("{free} MiB free in {}", found.display());
            if free < needed {
                Diagnosis::warn(
                    name,
                    format!("{seen}, for {missing} images to be made"),
                    format!("have {needed} MiB free, or name another directory with MULTIVM_CACHE"),
                )
            } else {
                Diagnosis::good(name, seen)
            }
        }
    }
}

/// The refusal of guests whose images find no room, with the arithmetic and advice; none if there is room.
pub fn refusal_for_images(fleet: WantedFleet<'_>) -> Option<String> {
    let lack = lack_for_images(fleet)?;
    let smaller = match fleet.catalogue {
        None => "MULTIVM_GUESTS, MULTIVM_LOAD_GUESTS",
        Some(_) => "the catalogue's images and count, MULTIVM_LOAD_GUESTS",
    };
    Some(format!(
        "there is no room for the images of the guests\n  = note: {lack}\n  = help: name another directory with MULTIVM_STATE, or make the fleet smaller ({smaller})"
    ))
}

/// The arithmetic of images that find no room where the lab has them; none if there is room.
pub fn lack_for_images(fleet: WantedFleet<'_>) -> Option<String> {
    let StorageRoom { place, free, .. } = storage_room(fleet)?;
    let lack = DiskNeed { boots: false, images: Some(fleet) }.lack(free)?;
    Some(format!("in {place}: {lack}; {} MiB are free", free >> 20))
}

/// The room where the lab has the images of a fleet, in the state directory; none if it is not known, or if a lab is up, whose
/// images take room already.
pub fn storage_room(fleet: WantedFleet<'_>) -> Option<StorageRoom> {
    let directory = state_directory();
    if Ledger::peek(&directory).is_ok_and(|ledger| !ledger.outstanding.is_empty()) {
        return None;
    }
    let images = DiskNeed { boots: false, images: Some(fleet) }.at_least();
    Some(StorageRoom { place: directory.display().to_string(), free: free(&directory)?, images })
}

/// Bytes that are free where a directory is, or is to be; none if that is not known.
pub fn free(directory: &Path) -> Option<u64> {
    let stat = statvfs(&existing(directory)).ok()?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// The directory, or the nearest existing one above it: new files below it are on the same file system.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_directory_that_exists_is_looked_at() {
        assert_eq!(existing(Path::new("/proc/none/such")), Path::new("/proc"));
        assert_eq!(existing(Path::new("not/there")), Path::new("/"));
    }
}
