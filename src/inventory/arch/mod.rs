//! The architectures of guests.

mod table;

use serde::{Deserialize, Serialize};

use crate::axis::{AxisValue, UnknownName, axis};
pub use table::ArchRow;

axis! {
    /// An architecture that guests may have.
    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    Arch, "architecture of guests", ArchRow {
        X86_64 => table::X86_64,
        Aarch64 => table::AARCH64,
        Ppc64le => table::PPC64LE,
    }
}

/// The environment's variable that chooses the architecture of guests.
pub const ARCH_VARIABLE: &str = "MULTIVM_GUEST_ARCH";

impl Arch {
    /// The architecture of hosts, and of guests unless others are asked for.
    pub const OF_HOSTS: Arch = Arch::X86_64;

    /// Whether this machine's own CPU can run such guests.
    pub fn is_native(self) -> bool {
        self.row().rust_target.starts_with(std::env::consts::ARCH)
    }

    /// Whether packages of a suite make a host for such guests.
    pub fn is_on(self, suite: &str) -> bool {
        self.row().host_suites.contains(&suite)
    }

    /// Whether guests are of the architecture of their hosts.
    pub fn is_of_hosts(&self) -> bool {
        *self == Arch::OF_HOSTS
    }
}

impl Default for Arch {
    fn default() -> Arch {
        Arch::OF_HOSTS
    }
}

impl TryFrom<String> for Arch {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Arch, UnknownName> {
        name.parse()
    }
}

impl From<Arch> for String {
    fn from(arch: Arch) -> String {
        arch.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_build_script_knows_every_row() {
        let built: Vec<&str> = table::ROWS.iter().map(|row| row.name).collect();
        assert_eq!(built, Arch::ALL.iter().map(|arch| arch.name()).collect::<Vec<_>>());
    }

    #[test]
    fn architectures_share_neither_names_nor_targets() {
        let words = |row: &'static ArchRow| [row.name, row.debian, row.rust_target, row.kernel_package];
        let all: BTreeSet<&str> = Arch::ALL.iter().flat_map(|arch| words(arch.row())).collect();
        assert_eq!(all.len(), 4 * Arch::ALL.len());
    }

    #[test]
    fn an_emulator_that_is_not_in_every_host_is_in_the_hosts_for_such_guests() {
        let every_host = include_str!("../../../fixtures/host/packages.txt");
        for row in Arch::ALL.iter().map(|arch| arch.row()) {
            let everywhere = every_host.lines().any(|line| line == row.emulator_package);
            assert_ne!(everywhere, row.host_packages.contains(&row.emulator_package), "{}", row.name);
        }
    }
}
