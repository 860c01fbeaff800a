//! What post-copy takes of a host that receives: QEMU must be able to ask the kernel for userfaultfd.

use super::change::Change;
use super::setting::Setting;
use crate::inventory::file::Consent;
use crate::remote::Facts;

/// How QEMU comes by userfaultfd on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Userfaultfd {
    /// Anybody may ask the kernel for it.
    Anybody,
    /// By `/dev/userfaultfd`, which QEMU opens since 8.0, and which libvirt gives a guest's QEMU.
    Device,
    /// Not at all, until a parameter of the kernel is set.
    Forbidden,
    /// The kernel has no such parameter: it is older than 5.2, or has no userfaultfd.
    Unknown,
}

impl Userfaultfd {
    /// What a host says of it.
    pub fn of(facts: &Facts) -> Userfaultfd {
        let device = facts.one("userfaultfd_device").is_some();
        let knows_device = qemu(facts).is_none_or(|major| major >= 8);
        // libvirt makes devices accessible in the mount namespace that it gives a guest. Without one a device stays root's.
        let is_given = facts.one("namespaces").is_none_or(|names| names.contains("mount"));
        match facts.number("unprivileged_userfaultfd") {
            Some(1) => Userfaultfd::Anybody,
            _ if device && knows_device && is_given => Userfaultfd::Device,
            Some(_) => Userfaultfd::Forbidden,
            None => Userfaultfd::Unknown,
        }
    }
}

/// QEMU's major version, as virsh says; none if it does not.
fn qemu(facts: &Facts) -> Option<u32> {
    let (_, version) = facts.text("version").split_once("Running hypervisor: QEMU ")?;
    version.split('.').next()?.parse().ok()
}

/// Lets anybody on the host ask the kernel for userfaultfd.
pub fn allow() -> Change {
    let file = "/proc/sys/vm/unprivileged_userfaultfd";
    let is_on = format!("[ \"$(cat {file})\" = 1 ]");
    Setting {
        name: "64-userfaultfd",
        consent: Consent::Sysctl,
        what: "vm.unprivileged_userfaultfd",
        unless: is_on.clone(),
        is_on,
        on: format!("echo 1 > {file}"),
        off: format!("echo 0 > {file}"),
        lasting: "grep -h -s '^[^#;]*unprivileged_userfaultfd' /etc/sysctl.conf /etc/sysctl.d/* /run/sysctl.d/* \
                  /usr/local/lib/sysctl.d/* /usr/lib/sysctl.d/*",
        instead: "sysctl -w vm.unprivileged_userfaultfd=1",
    }
    .change()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::parameter("unprivileged_userfaultfd 1", Userfaultfd::Anybody)]
    #[case::device("unprivileged_userfaultfd 0\nuserfaultfd_device yes", Userfaultfd::Device)]
    #[case::nothing("unprivileged_userfaultfd 0", Userfaultfd::Forbidden)]
    #[case::without_namespaces(
        "unprivileged_userfaultfd 0\nuserfaultfd_device yes\nnamespaces []",
        Userfaultfd::Forbidden
    )]
    #[case::with_one(
        "unprivileged_userfaultfd 0\nuserfaultfd_device yes\nnamespaces [ \"mount\" ]",
        Userfaultfd::Device
    )]
    #[case::old_kernel("uid 0", Userfaultfd::Unknown)]
    #[case::old_qemu(
        "unprivileged_userfaultfd 0\nuserfaultfd_device yes\n<<version\nRunning hypervisor: QEMU 7.2.0\n>>version",
        Userfaultfd::Forbidden
    )]
    fn a_host_says_how(#[case] said: &str, #[case] expected: Userfaultfd) {
        assert_eq!(Userfaultfd::of(&Facts::parse(&format!("{said}\nend yes\n")).unwrap()), expected);
    }
}
