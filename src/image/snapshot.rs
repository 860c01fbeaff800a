//! Snapshots of running machines, kept beside the images that the machines booted from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::build::{FORMAT, images_directory, key};
use super::{Images, MachineImage, Store};
use crate::failure::{Attempt, Result};

/// The states of machines that ran, and their disks.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub directory: PathBuf,
}

impl Images<'_> {
    /// The snapshot of machines that booted from `image`, taken by `take` into a directory if it is missing. The `recipe` is all
    /// that a state depends on beside the image: a state is of use only to the QEMU that wrote it, with the same devices.
    pub fn snapshot(
        &self,
        image: &MachineImage,
        recipe: &[&str],
        take: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Snapshot> {
        let path = path(self.store, image, recipe);
        self.ensure(&path, "snapshot of machine hosts, which boot for some minutes", |partial| {
            // The memory of a machine is for nobody's eyes.
            fs::set_permissions(partial, fs::Permissions::from_mode(0o700))
                .attempting(|| format!("protect {}", partial.display()))?;
            take(partial)
        })?;
        Ok(Snapshot { directory: path })
    }
}

fn path(store: &Store, image: &MachineImage, recipe: &[&str]) -> PathBuf {
    let image = image.directory.file_name().unwrap_or_default().to_string_lossy();
    let recipe = [&[FORMAT, &*image], recipe].concat();
    images_directory(store).join(format!("snapshot-{}", key(&recipe)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_of_one_image_and_one_recipe() {
        let store = Store::read(|name| (name == "MULTIVM_CACHE").then(|| "/cache".to_owned())).unwrap();
        let of =
            |image: &str, recipe: &[&str]| path(&store, &MachineImage { directory: image.into() }, recipe);
        let first = of("/images/machine-1", &["10.0.13", "-m 3072"]);
        assert!(
            first.to_string_lossy().starts_with("/cache/multivm/images/snapshot-"),
            "{}",
            first.display()
        );
        assert_eq!(first, of("/elsewhere/machine-1", &["10.0.13", "-m 3072"]), "the place does not count");
        for other in [
            of("/images/machine-2", &["10.0.13", "-m 3072"]),
            of("/images/machine-1", &["10.0.14", "-m 3072"]),
            of("/images/machine-1", &["10.0.13", "-m 4096"]),
            of("/images/machine-1", &["10.0.13-m 3072"]),
        ] {
            assert_ne!(first, other);
        }
    }
}
