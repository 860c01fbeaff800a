//! Machine hosts as a kind of hosts: what commands ask of them.

use super::{MachineHosts, gone, reach, running};
use crate::stand::made::{MadeHosts, NewHosts};

/// The machine hosts.
pub static MACHINE_HOSTS: MadeHosts = MadeHosts {
    new: NewHosts::Bare(|settings| Box::new(MachineHosts::new(settings))),
    allow: MachineHosts::allow,
    reach: || Ok(reach::reach(&running()?)),
    shell: None,
    gone,
};
