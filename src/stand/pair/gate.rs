//! The ports of a host that receives guests: open for the other host alone, and only meanwhile.

use super::lease::LEASE;
use crate::inventory::Gate;
use crate::remote::quote;

/// What opens ports for a peer, or closes them.
pub fn command(what: &str, peer: &str, ports: &str) -> String {
    format!("sh {LEASE}/gate {what} {} {}", quote(peer), quote(ports))
}

/// The gate of a host for its peer.
pub fn gate(peer: &str, ports: &str) -> Gate {
    Gate { open: command("open", peer, ports), close: command("close", peer, ports) }
}
