//! What post-copy needs of a host that receives.

use super::{Consent, Diagnosis, Host, Mend, Pair};

const WHAT: &str = "post-copy";

pub fn examine(host: &Host<'_>, pair: &Pair) -> Vec<Diagnosis> {
    let facts = &host.facts;
    let finding = match (facts.number("unprivileged_userfaultfd"), facts.one("userfaultfd_device")) {
        (Some(1), _) => host.good(WHAT, "vm.unprivileged_userfaultfd is 1"),
        // QEMU opens the device since 8.0, and libvirt has it among those that a guest's QEMU may use.
        (_, Some(_)) if qemu(host).is_none_or(|major| major >= 8) => {
            host.good(WHAT, "/dev/userfaultfd is there; the first post-copy migration shows whether QEMU may open it")
        }
        (Some(_), _) => host.mendable(
            WHAT,
            "vm.unprivileged_userfaultfd is 0, and QEMU has no /dev/userfaultfd, or is older than 8.0: it cannot receive by post-copy",
            Mend {
                wanted: "1",
                command: "sysctl -w vm.unprivileged_userfaultfd=1".to_owned(),
                consent: Consent::Sysctl,
            },
            pair,
        ),
        // Before Linux 5.2 there was no such parameter, and anybody might; a kernel without userfaultfd has none, either.
        (None, _) => host.warn(
            WHAT,
            "the kernel has no vm.unprivileged_userfaultfd: it is older than 5.2, or has no userfaultfd",
            "the first post-copy migration shows which",
        ),
    };
    vec![finding]
}

/// QEMU's major version, as virsh says; none if it does not.
fn qemu(host: &Host<'_>) -> Option<u32> {
    let (_, version) = host.facts.text("version").split_once("Running hypervisor: QEMU ")?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, pair};

    #[rstest]
    #[case::allowed_to_all("unprivileged_userfaultfd 1", "", Grade::Good)]
    #[case::by_the_device("unprivileged_userfaultfd 0\nuserfaultfd_device yes", "", Grade::Good)]
    #[case::by_the_device_for_an_older_qemu(
        "unprivileged_userfaultfd 0\nuserfaultfd_device yes\n<<version\nRunning hypervisor: QEMU 7.2.22\n>>version",
        "",
        Grade::Missing
    )]
    #[case::an_older_kernel("", "", Grade::Warn)]
    #[case::forbidden("unprivileged_userfaultfd 0", "", Grade::Missing)]
    #[case::forbidden_and_consented("unprivileged_userfaultfd 0", "'sysctl'", Grade::Warn)]
    fn a_receiver_needs_userfaultfd(#[case] said: &str, #[case] allow: &str, #[case] expected: Grade) {
        let pair = pair("mount = '/srv'", "nat = true", allow);
        let [source, _] = hosts(&pair, said, "");
        assert_eq!(examine(&source, &pair)[0].verdict, expected);
    }
}
