//! What commands ask of a kind of hosts that multivm makes on this machine.

use std::path::PathBuf;

use super::Stand;
use super::raised::Raised;
use super::settings::Settings;
use crate::failure::Result;
use crate::inventory::Inventory;

/// A kind of hosts, by what commands do with such hosts. Its folder has it.
pub struct MadeHosts {
    pub new: NewHosts,
    /// Refuses settings that such hosts cannot have.
    pub allow: fn(&Settings) -> Result<()>,
    /// Lines that say how anybody reaches such hosts, which are up.
    pub reach: fn() -> Result<String>,
    /// The way into a network that only this machine has; none where any ssh reaches the hosts.
    pub shell: Option<Shell>,
    /// The addresses of such hosts that are not up: nobody may ask there, since they may be somebody else's then.
    pub gone: fn() -> Vec<&'static str>,
}

/// Makes hosts that need not stand yet.
#[derive(Debug, Clone, Copy)]
pub enum NewHosts {
    /// Scenarios are played on the hosts as soon as they are up.
    Ready(fn(Settings) -> Box<dyn Stand<Hosts = Inventory>>),
    /// The hosts are prepared for a run first, like a pair that somebody has.
    Bare(fn(Settings) -> Box<dyn Stand<Hosts = Raised>>),
}

/// The way of a user's shell to hosts in a network that only this machine has.
pub struct Shell {
    /// The hosts that are up.
    pub running: fn() -> Result<Inventory>,
    /// Moves this thread to where it can reach them.
    pub enter: fn() -> Result<()>,
    /// The configuration of ssh to them.
    pub ssh_config: fn() -> PathBuf,
}
