//! The kinds of hosts that multivm makes on this machine, with what commands ask of each.

use super::choice::StandKind;
use super::lab::LAB;
use super::machines::MACHINE_HOSTS;
use super::made::MadeHosts;

impl StandKind {
    /// What commands ask of hosts of this kind.
    pub fn made(self) -> &'static MadeHosts {
        match self {
            StandKind::Lab => &LAB,
            StandKind::Machines => &MACHINE_HOSTS,
        }
    }
}
