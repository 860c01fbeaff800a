//! KVM, as far as it can be said without a trial boot.

use std::fs::File;
use std::io::ErrorKind;

use super::Finding;
use crate::inventory::AcceleratorKind;
use crate::stand::lab::{Accel, Settings, accel};

/// What a run of these settings would use.
pub fn examine(settings: &Settings) -> Finding {
    let name = "KVM";
    let opened = File::options().read(true).write(true).open("/dev/kvm");
    let wanted = settings.accel == Accel::Kvm;
    if settings.accel == Accel::Tcg {
        return Finding::good(name, "not used: MULTIVM_ACCEL=tcg");
    }
    match (opened, accel::last_known(settings)) {
        (Err(error), _)
            if error.kind() == ErrorKind::PermissionDenied && !nix::unistd::geteuid().is_root() =>
        {
            Finding::good(name, "/dev/kvm is there, for root")
        }
        (Err(error), _) if wanted => Finding::missing(
            name,
            format!("/dev/kvm: {error}, but MULTIVM_ACCEL=kvm asks for it"),
            "load kvm_intel or kvm_amd, or leave MULTIVM_ACCEL out",
        ),
        (Err(error), _) => Finding::warn(
            name,
            format!("/dev/kvm: {error}"),
            "nothing to do, but guests run under TCG, which is slower; with KVM: load kvm_intel or kvm_amd",
        ),
        (Ok(_), Some(known)) if known.kind == AcceleratorKind::Kvm => Finding::good(name, known.reason),
        (Ok(_), Some(known)) => Finding::warn(
            name,
            known.reason,
            "nothing to do, but guests run under TCG, which is slower; MULTIVM_ACCEL=kvm insists on KVM",
        ),
        (Ok(_), None) => {
            Finding::good(name, "/dev/kvm opens; the first run boots a guest to see whether it works")
        }
    }
}
