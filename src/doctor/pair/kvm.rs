//! Whether KVM works on a host: whether it runs an instruction.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};
use crate::remote::KVM_RAN;

const WHAT: &str = "KVM";

pub fn examine(host: &AskedHost<'_>, _pair: &Pair) -> Vec<Diagnosis> {
    const SLOW: &str = "guests run without it (TCG), many times slower";
    let facts = &host.facts;
    let finding = match (facts.one("kvm_device"), facts.number("kvm_status")) {
        (Some(_), Some(KVM_RAN)) => host.good(WHAT, "it ran a boot sector; a guest's kernel is tried when the fleet starts"),
        (Some(_), Some(status)) => host.warn(
            WHAT,
            format!("/dev/kvm is there, and a boot sector does not run under it: QEMU ended with {status}"),
            format!("is this host a virtual machine without nested virtualisation? {SLOW}"),
        ),
        (Some(_), None) => host.warn(
            WHAT,
            "/dev/kvm is there; it was not tried, because libvirt names no QEMU, or the host is no x86-64 machine",
            "a guest's kernel is tried when the fleet starts",
        ),
        (None, _) => {
            let cpu = match facts.one("kvm_flag") {
                Some(flag) => format!("the CPU has {flag}: modprobe kvm_intel or kvm_amd"),
                None => "the CPU has neither vmx nor svm: is virtualisation switched off in its firmware?".to_owned(),
            };
            host.warn(WHAT, "there is no /dev/kvm", format!("{cpu}; {SLOW}"))
        }
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[rstest]
    #[case::works("kvm_device yes\nkvm_status 85", Grade::Good, "ran a boot sector")]
    #[case::does_not("kvm_device yes\nkvm_status 124", Grade::Warn, "ended with 124")]
    #[case::not_tried("kvm_device yes", Grade::Warn, "not tried")]
    #[case::none("kvm_flag svm", Grade::Warn, "no /dev/kvm")]
    fn kvm_is_tried(#[case] said: &str, #[case] verdict: Grade, #[case] seen: &str) {
        let pair = ordinary();
        let [source, _] = hosts(&pair, said, "");
        let found = examine(&source, &pair).remove(0);
        assert!(found.verdict == verdict && found.seen.contains(seen), "{found:?}");
    }
}
