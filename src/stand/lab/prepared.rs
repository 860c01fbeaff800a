//! The prerequisites of the lab's hosts: images, and the choice of an accelerator.

use std::fmt;

use super::{Settings, accel};
use crate::failure::Result;
use crate::image::{GuestImage, HostImage, Images};
use crate::inventory::{Accelerator, Arch};
use crate::remote::Agent;
use crate::stand::Ground;

/// The prerequisites of a lab. A process must make them while it still sees the machine's own network, because packages
/// come from there.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub source: HostImage,
    pub target: HostImage,
    pub guest: GuestImage,
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
    let accelerator = accel::choose(settings, &source, &guest, ground)?;
    Ok(Prepared { source, target, guest, arch, accelerator })
}
