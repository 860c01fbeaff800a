//! Judges KVM without a trial boot.

use std::fs::File;
use std::io::ErrorKind;

use super::Diagnosis;
use crate::inventory::AcceleratorKind;
use crate::stand::lab::accel;
use crate::stand::{Accel, Settings};

/// The accelerator of a run with these settings.
pub fn examine(settings: &Settings) -> Diagnosis {
    let name = "KVM";
    let opened = File::options().read(true).write(true).open("/dev/kvm");
    let wanted = settings.accel == Accel::Kvm;
    if settings.accel == Accel::Tcg {
        return Diagnosis::good(name, "not used: MULTIVM_ACCEL=tcg");
    }
    match (opened, accel::last_known(settings)) {
        (Err(error), _)
            if error.kind() == ErrorKind::PermissionDenied && !nix::unistd::geteuid().is_root() =>
        {
            Diagnosis::good(name, "/dev/kvm is there, for root")
        }
        (Err(error), _) if wanted => Diagnosis::missing(
            name,
            format!("/dev/kvm: {error}, but MULTIVM_ACCEL=kvm asks for it"),
            "load kvm_intel or kvm_amd, or leave MULTIVM_ACCEL out",
        ),
        (Err(error), _) => Diagnosis::warn(
            name,
            format!("/dev/kvm: {error}"),
            "nothing to do, but guests run under TCG, which is slower; with KVM: load kvm_intel or kvm_amd",
        ),
        (Ok(_), Some(known)) if known.kind == AcceleratorKind::Kvm => Diagnosis::good(name, known.reason),
        (Ok(_), Some(known)) => Diagnosis::warn(
            name,
            known.reason,
            "nothing to do, but guests run under TCG, which is slower; MULTIVM_ACCEL=kvm insists on KVM",
        ),
        (Ok(_), None) => {
            Diagnosis::good(name, "/dev/kvm opens; the first run boots a guest to see whether it works")
        }
    }
}
