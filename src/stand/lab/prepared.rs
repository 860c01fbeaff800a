//! The prerequisites of the lab's hosts: images, and the choice of an accelerator.

use std::fmt;

use super::accel;
use crate::failure::Result;
use crate::image::{Firmware, GuestImage, HostImage, Images};
use crate::inventory::catalogue::{BootFirmware, Catalogue};
use crate::inventory::{Accelerator, Arch};
use crate::remote::Agent;
use crate::stand::Ground;
use crate::stand::settings::Settings;

/// The prerequisites of a lab. A process must make them while it still sees the machine's own network, because packages
/// come from there.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub source: HostImage,
    pub target: HostImage,
    pub guest: GuestImage,
    /// The firmware of both hosts for guests that boot by UEFI; none if no guest does.
    pub firmware: Option<Firmware>,
    pub arch: Arch,
    pub accelerator: Accelerator,
}

impl fmt::Display for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |image: &HostImage| {
            let facts = &image.facts;
            format!("{} (QEMU {}, libvirt {})", facts.suite, facts.qemu, facts.libvirt)
        };
        let (source, target) = (host(&self.source), host(&self.target));
        if source == target {
            write!(f, "two hosts of {source}")?;
        } else {
            write!(f, "source {source}, target {target}")?;
        }
        if !self.arch.is_of_hosts() {
            write!(f, "; guests of {}", self.arch)?;
        }
        write!(f, "; {}", self.accelerator)
    }
}

/// Builds or finds the images and chooses the accelerator.
pub fn prepare(settings: &Settings, ground: Ground<'_>) -> Result<Prepared> {
    let Ground { ledger, stop } = ground;
    let images = Images { store: &settings.store, ledger, stop };
    let arch = settings.guest_arch;
    Agent::is_built_for(arch)?;
    let source = images.host(&settings.source_suite, arch)?;
    let target = images.host(&settings.target_suite, arch)?;
    let guest = images.guest(&settings.guest_suite, arch, || Ok(source.clone()))?;
    // Both hosts have one: contents of a guest's flash memory travel with it, and must fit.
    let boots_by_uefi =
        |catalogue: &Catalogue| catalogue.images_in_use().any(|image| image.firmware == BootFirmware::Uefi);
    let has_firmware = settings.catalogue.as_ref().is_some_and(boots_by_uefi);
    let firmware = has_firmware.then(|| images.firmware(&settings.source_suite)).transpose()?;
    let accelerator = accel::choose(settings, &source, &guest, ground)?;
    Ok(Prepared { source, target, guest, firmware, arch, accelerator })
}
