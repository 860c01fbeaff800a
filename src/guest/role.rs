//! The purposes of guests.

use crate::inventory::catalogue::MOST_GUESTS;

/// The purpose of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A guest that migrates: vm1, vm2, ...
    Fleet,
    /// A guest that boots as load while others migrate: load1, load2, ...
    Load,
}

/// The most guests that a fleet has.
pub const FLEET_MAX: u32 = MOST_GUESTS;

impl Role {
    /// The most guests of this role.
    pub fn most(self) -> u32 {
        match self {
            Role::Fleet => FLEET_MAX,
            Role::Load => 50,
        }
    }

    /// A noun for a guest of this role.
    pub fn kind(self) -> &'static str {
        match self {
            Role::Fleet => "fleet",
            Role::Load => "set of load guests",
        }
    }

    /// The name of the guest with a given number.
    pub fn name(self, number: u32) -> String {
        let prefix = match self {
            Role::Fleet => "vm",
            Role::Load => "load",
        };
        format!("{prefix}{number}")
    }
}

/// Whether a guest of multivm's may have this name.
pub fn is_our_name(name: &str) -> bool {
    let of = |role: Role| {
        let number = name.trim_start_matches(|c: char| c.is_ascii_lowercase()).parse();
        number.is_ok_and(|number| (1..=role.most()).contains(&number) && role.name(number) == name)
    };
    [Role::Fleet, Role::Load].into_iter().any(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_those_of_our_roles() {
        assert!(["vm1", "vm200", "load1", "load50"].into_iter().all(is_our_name));
        assert!(
            !["vm0", "vm01", "vm201", "load51", "vm", "vm1a", "avm1", "db1", ""].into_iter().any(is_our_name)
        );
    }
}
