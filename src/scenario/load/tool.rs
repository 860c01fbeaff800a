//! The programs that make load.

/// A program that makes load.
#[derive(Debug, PartialEq, Eq)]
pub struct Tool {
    /// The name of the executable; the names of its processes begin with it.
    pub program: &'static str,
    /// The packages of the program, for apt-get (Debian, Ubuntu), dnf (Fedora, RHEL) and zypper (SUSE). Images that multivm
    /// builds have the first.
    pub packages: [&'static str; 3],
}

pub(super) static STRESS: Tool = Tool { program: "stress", packages: ["stress"; 3] };

pub(super) static STRESS_NG: Tool = Tool { program: "stress-ng", packages: ["stress-ng"; 3] };
