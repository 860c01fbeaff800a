//! The lab as a kind of hosts: what commands ask of it.

use super::{Lab, network, reach, running, ssh_config};
use crate::stand::made::{MadeHosts, NewHosts, Shell};

/// The namespace lab.
pub static LAB: MadeHosts = MadeHosts {
    new: NewHosts::Ready(|settings| Box::new(Lab::new(settings))),
    allow: |_| Ok(()),
    reach: || Ok(reach::reach(&running()?)),
    shell: Some(Shell { running, enter: network::join_switch, ssh_config }),
    gone: Vec::new,
};
