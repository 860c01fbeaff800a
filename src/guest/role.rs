//! The purposes of guests.

/// The purpose of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A guest that migrates: vm1, vm2, ...
    Fleet,
    /// A guest that boots as load while others migrate: load1, load2, ...
    Load,
}

/// The most guests that a fleet has.
pub const FLEET_MAX: u32 = 200;

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
