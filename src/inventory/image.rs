//! The images that guests boot from, as hosts have them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Inventory;
use super::catalogue::{BootFirmware, DiskFormat, DiskKind};
use crate::failure::{Failure, Result};

/// An image in the export, and how it boots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEntry {
    /// The name in the catalogue.
    pub name: String,
    /// File in the export: the parent of its guests' overlays.
    pub file: String,
    pub format: DiskFormat,
    #[serde(default = "overlay", skip_serializing_if = "is_overlay")]
    pub disk: DiskKind,
    pub firmware: BootFirmware,
    /// The user that multivm logs in as.
    pub user: String,
    /// Path, length and time of the file that was copied; none of the image that multivm builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// The user's own domain, from which those of guests are made; none where multivm writes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

fn overlay() -> DiskKind {
    DiskKind::Overlay
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_overlay(disk: &DiskKind) -> bool {
    *disk == DiskKind::Overlay
}

/// The ssh host key of all guests that get theirs from a seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeededKey {
    /// The private half, on the machine that makes seeds.
    pub file: PathBuf,
    /// The public half, `ssh-ed25519 BASE64`.
    pub public: String,
}

/// The firmware of guests that boot by UEFI, at the same paths on both hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UefiEntry {
    /// The program.
    pub code: String,
    /// Empty variables, of which each guest starts with a copy.
    pub variables: String,
    /// Folder of these copies, the same on both hosts, and each host's own: what is in a copy travels with its guest.
    pub own: String,
}

impl Inventory {
    /// The image of that name; without a name the one that multivm builds.
    ///
    /// # Errors
    ///
    /// The hosts have no image of that name.
    pub fn image(&self, name: Option<&str>) -> Result<ImageEntry> {
        let Some(name) = name else {
            return Ok(ImageEntry {
                name: "multivm's own".to_owned(),
                file: self.storage.base_image.clone(),
                format: DiskFormat::Qcow2,
                disk: DiskKind::Overlay,
                firmware: BootFirmware::Kernel,
                user: "root".to_owned(),
                master: None,
                domain: None,
            });
        };
        self.guests.images.iter().find(|image| image.name == name).cloned().ok_or_else(|| {
            Failure::new(format!("find the image {name}"), "the hosts were raised without it")
                .try_next("take the hosts down, then run again")
        })
    }
}
