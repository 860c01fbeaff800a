//! The disk of a machine host: a whole system with its own kernel, for a QEMU to boot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::build::{FORMAT, HostImage, images_directory, keep_only, key};
use super::packages::with_load_tools;
use super::{Images, Store};
use crate::failure::{Attempt, Result};
use crate::inventory::Arch;

const PACKAGES: &str = include_str!("../../fixtures/machine/packages.txt");

/// The files of the recipe, by name.
const FILES: [(&str, &str); 7] = [
    ("build.sh", include_str!("../../fixtures/machine/build.sh")),
    ("nic.network", include_str!("../../fixtures/machine/nic.network")),
    ("policy.cil", include_str!("../../fixtures/machine/policy.cil")),
    ("qemu.conf", include_str!("../../fixtures/machine/qemu.conf")),
    ("sshd.conf", include_str!("../../fixtures/machine/sshd.conf")),
    ("ssh-keys.conf", include_str!("../../fixtures/machine/ssh-keys.conf")),
    ("system.conf", include_str!("../../fixtures/machine/system.conf")),
];

/// What stays of a build.
const KEPT: [&str; 4] = ["disk.raw", "vmlinuz", "initrd.img", "password"];

/// The files that machine hosts boot from.
#[derive(Debug, Clone)]
pub struct MachineImage {
    /// The directory with `disk.raw`, `vmlinuz`, `initrd.img`, and `password`, which is root's.
    pub directory: PathBuf,
}

impl MachineImage {
    /// The file with the password of the machines' root, which only its owner can read.
    pub fn password(&self) -> PathBuf {
        self.directory.join("password")
    }
}

impl Images<'_> {
    /// The image of machine hosts of `suite`, built with the tools of `tools` if it is missing.
    pub fn machine(&self, suite: &str, tools: &HostImage) -> Result<MachineImage> {
        let path = path(self.store, suite);
        self.ensure(&path, &format!("disk of {suite} machine hosts"), |partial| {
            // The disk and the password are for nobody's eyes.
            fs::set_permissions(partial, fs::Permissions::from_mode(0o700))
                .attempting(|| format!("protect {}", partial.display()))?;
            self.mmdebstrap("minbase", &packages(), suite, Arch::OF_HOSTS, &partial.join("tree"))?;
            self.build_in(tools, partial, &FILES, "disk")?;
            keep_only(partial, &KEPT)
        })?;
        Ok(MachineImage { directory: path })
    }
}

pub(super) fn packages() -> String {
    with_load_tools(PACKAGES)
}

fn path(store: &Store, suite: &str) -> PathBuf {
    let packages = packages();
    let mut recipe = vec![FORMAT, suite, &packages];
    recipe.extend(FILES.iter().map(|(_, text)| *text));
    images_directory(store).join(format!("machine-{suite}-{}", key(&recipe)))
}
