//! Hosts that multivm raises, and that are prepared for a run like a pair that somebody has.

use std::path::PathBuf;

/// Such hosts when they are up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// The inventory file of the hosts.
    pub inventory: PathBuf,
    /// The file with root's password.
    pub password: PathBuf,
    /// Names and addresses.
    pub hosts: [(String, String); 2],
}
