//! What post-copy needs of a host that receives.

use super::asked_host::{AskedHost, Mend};
use super::{Diagnosis, Pair};
use crate::inventory::file::Consent;
use crate::stand::pair::Userfaultfd;

const WHAT: &str = "post-copy";

pub fn examine(host: &AskedHost<'_>, pair: &Pair) -> Vec<Diagnosis> {
    let finding = match Userfaultfd::of(&host.facts) {
        Userfaultfd::Anybody => host.good(WHAT, "vm.unprivileged_userfaultfd is 1"),
        Userfaultfd::Device => {
            host.good(WHAT, "/dev/userfaultfd is there; the first post-copy migration shows whether QEMU may open it")
        }
        Userfaultfd::Forbidden => host.mendable(
            WHAT,
            "vm.unprivileged_userfaultfd is 0, and QEMU has no /dev/userfaultfd, is older than 8.0, or is not given devices (`namespaces` of \
             qemu.conf has no `mount`): it cannot receive by post-copy",
            Mend {
                wanted: "1",
                command: "sysctl -w vm.unprivileged_userfaultfd=1".to_owned(),
                consent: Consent::Sysctl,
            },
            pair,
        ),
        Userfaultfd::Unknown => host.warn(
            WHAT,
            "the kernel has no vm.unprivileged_userfaultfd: it is older than 5.2, or has no userfaultfd",
            "the first post-copy migration shows which",
        ),
    };
    vec![finding]
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
