//! The versions that a transport needs.

use crate::libvirt::Version;

/// The oldest versions that have a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    pub libvirt: Version,
    pub qemu: Version,
}

/// The versions of one host.
#[derive(Debug, Clone, Copy)]
pub struct Stack<'a> {
    pub name: &'a str,
    pub libvirt: Version,
    pub qemu: Version,
}

impl Requirement {
    /// No requirement beyond the supported stacks.
    pub const NONE: Requirement = Requirement { libvirt: Version::new(0, 0, 0), qemu: Version::new(0, 0, 0) };

    /// What a host lacks: `QEMU 10.1.0, and target has 10.0.13`.
    pub fn unmet_by(&self, host: &Stack<'_>) -> Option<String> {
        [("QEMU", self.qemu, host.qemu), ("libvirt", self.libvirt, host.libvirt)]
            .into_iter()
            .find(|(_, least, has)| has < least)
            .map(|(what, least, has)| format!("{what} {least}, and {} has {has}", host.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_new_enough_meets_it() {
        let needs = Requirement { libvirt: Version::new(5, 2, 0), qemu: Version::new(10, 1, 0) };
        let host = Stack { name: "target", libvirt: Version::new(5, 2, 0), qemu: Version::new(10, 1, 0) };
        assert_eq!(needs.unmet_by(&host), None);
        let old = Stack { qemu: Version::new(10, 0, 13), ..host };
        assert_eq!(needs.unmet_by(&old).unwrap(), "QEMU 10.1.0, and target has 10.0.13");
        assert_eq!(Requirement::NONE.unmet_by(&old), None);
    }
}
