//! Full images of Debian, as its images for clouds are: a disk that starts by BIOS and by UEFI, and learns from a seed who it
//! is.

use std::path::PathBuf;

use super::build::{FORMAT, HostImage, images_directory, keep_only, key};
use super::packages::with_load_tools;
use super::{Images, Store};
use crate::failure::Result;
use crate::inventory::Arch;

const PACKAGES: &str = include_str!("../../fixtures/cloud/packages.txt");

/// The files of the recipe, by name.
const FILES: [(&str, &str); 3] = [
    ("build.sh", include_str!("../../fixtures/cloud/build.sh")),
    ("early.cfg", include_str!("../../fixtures/cloud/early.cfg")),
    ("grub.cfg", include_str!("../../fixtures/cloud/grub.cfg")),
];

const DISK: &str = "disk.qcow2";

/// A distribution that multivm makes an image of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    pub name: &'static str,
    pub suite: &'static str,
}

impl Distribution {
    pub const ALL: [Distribution; 2] = [
        Distribution { name: "debian-12", suite: "bookworm" },
        Distribution { name: "debian-13", suite: "trixie" },
    ];

    /// The distribution of that name.
    pub fn named(name: &str) -> Option<Distribution> {
        Distribution::ALL.into_iter().find(|distribution| distribution.name == name)
    }
}

impl Images<'_> {
    /// The disk of a distribution, a qcow2 file that nobody may write, built with the tools of `tools` if it is missing.
    pub fn cloud(
        &self,
        distribution: Distribution,
        tools: impl FnOnce() -> Result<HostImage>,
    ) -> Result<PathBuf> {
        let Distribution { name, suite } = distribution;
        let path = path(self.store, suite);
        self.ensure(&path, &format!("full image of {name}"), |partial| {
            let tools = tools()?;
            self.mmdebstrap("minbase", &packages(), suite, Arch::OF_HOSTS, &partial.join("tree"))?;
            self.build_in(&tools, partial, &FILES, "full image")?;
            keep_only(partial, &[DISK])
        })?;
        Ok(path.join(DISK))
    }
}

pub(super) fn packages() -> String {
    with_load_tools(PACKAGES)
}

fn path(store: &Store, suite: &str) -> PathBuf {
    let packages = packages();
    let mut recipe = vec![FORMAT, suite, &packages];
    recipe.extend(FILES.iter().map(|(_, text)| *text));
    images_directory(store).join(format!("cloud-{suite}-{}", key(&recipe)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::mirror::SUITES;

    #[test]
    fn every_distribution_has_an_image_of_its_own() {
        let store = Store::read(|name| (name == "MULTIVM_CACHE").then(|| "/cache".to_owned())).unwrap();
        let [first, second] = Distribution::ALL.map(|distribution| path(&store, distribution.suite));
        assert_ne!(first, second);
        for distribution in Distribution::ALL {
            assert!(SUITES.contains(&distribution.suite));
            assert_eq!(Distribution::named(distribution.name), Some(distribution));
        }
        assert_eq!(Distribution::named("debian"), None);
    }
}
