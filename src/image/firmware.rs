//! UEFI for guests: the same firmware on both hosts, whatever each of them has installed.

use std::fs;
use std::path::PathBuf;

use super::build::{FORMAT, images_directory, keep_only, key};
use super::{Images, Store};
use crate::failure::{Attempt, Result};
use crate::inventory::Arch;

/// Debian's package of the firmware.
const PACKAGE: &str = "ovmf";

/// The firmware's place in its package.
const FOLDER: &str = "usr/share/OVMF";

const CODE: &str = "OVMF_CODE_4M.fd";
const VARIABLES: &str = "OVMF_VARS_4M.fd";

/// The files of a UEFI firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    /// The program, which no guest writes.
    pub code: PathBuf,
    /// Empty variables. Each guest starts with a copy of them, which is its own.
    pub variables: PathBuf,
}

impl Images<'_> {
    /// The firmware that a suite has, fetched if it is missing.
    pub fn firmware(&self, suite: &str) -> Result<Firmware> {
        let path = path(self.store, suite);
        self.ensure(&path, &format!("UEFI firmware of {suite}"), |partial| {
            let tree = partial.join("tree");
            self.mmdebstrap("extract", PACKAGE, suite, Arch::OF_HOSTS, &tree)?;
            for name in [CODE, VARIABLES] {
                let packed = tree.join(FOLDER).join(name);
                fs::rename(&packed, partial.join(name))
                    .attempting(|| format!("find {}", packed.display()))?;
            }
            keep_only(partial, &[CODE, VARIABLES])
        })?;
        Ok(Firmware { code: path.join(CODE), variables: path.join(VARIABLES) })
    }
}

fn path(store: &Store, suite: &str) -> PathBuf {
    images_directory(store)
        .join(format!("firmware-{suite}-{}", key(&[FORMAT, suite, PACKAGE, CODE, VARIABLES])))
}
