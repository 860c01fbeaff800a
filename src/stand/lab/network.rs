//! The lab's network: a switch in a namespace of its own, and one namespace per host, joined by veth pairs.
//!
//! ```text
//!   multivm-switch: br0 198.18.0.1 ---- source  multivm-source: eth0 -- br0 198.18.0.11 -- guests' taps
//!                                  \--- target  multivm-target: eth0 -- br0 198.18.0.12 -- guests' taps
//! ```
//!
//! 198.18.0.0/15 is reserved for benchmarks (RFC 2544), so it cannot be a user's network. No namespace has a route
//! out: what is meant for the lab cannot leave by the machine's own interfaces.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ipnet::Ipv4Net;
use nix::sched::{CloneFlags, setns};

use crate::failure::{Attempt, Result};
use crate::ledger::{Ledger, Thing};
use crate::stand::ip::{batch, ip, path};
use crate::sys::limited;

/// Namespace of the switch, the storage server and the harness.
pub const SWITCH: &str = "multivm-switch";
/// Address of the switch's own interface: storage server and harness.
pub const SWITCH_ADDRESS: &str = "198.18.0.1";
pub const SOURCE_ADDRESS: &str = "198.18.0.11";
pub const TARGET_ADDRESS: &str = "198.18.0.12";
/// The network of the lab: hosts, storage and guests.
pub const NETWORK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 16);
/// Bridge inside each host.
pub const BRIDGE: &str = "br0";

/// How long the packet filter may take to list its rules, or to forget them.
const FILTER_LIMIT: Duration = Duration::from_secs(30);

/// The /24 for guests' addresses within the lab's network. It follows from the lab's id, so that labs differ.
pub fn guest_addresses(owner: &str) -> Ipv4Net {
    // The hosts have 198.18.0.0/24.
    let third = 1 + owner.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)) % 255;
    let [first, second, ..] = NETWORK.addr().octets();
    Ipv4Net::new_assert(Ipv4Addr::new(first, second, third, 0), 24)
}

/// Creates the switch's namespace.
pub fn create_switch(ledger: &Ledger) -> Result<()> {
    ledger.enter(Thing::NetworkNamespace { name: SWITCH.into() })?;
    ip(&format!("netns add {SWITCH}"))?;
    lay_switch()
}

/// Takes away what somebody has set in the switch's namespace, which outlives the hosts: rules of the packet filter, and whatever is of the
/// bridge, as addresses, routes and queues are. The tree of a host, `tools`, has the program for rules, which this machine may lack.
/// The calling thread must be in the namespace.
pub fn clean_switch(tools: &Path) -> Result<()> {
    let nft = || {
        let mut command = Command::new("chroot");
        command.arg(tools).arg("nft");
        command
    };
    let attempted = || format!("remove the packet filter's rules from {SWITCH}");
    // A kernel without a packet filter lists none, and has none to remove.
    if limited::run(nft().args(["list", "ruleset"]), "", FILTER_LIMIT).is_ok() {
        limited::run(nft().args(["flush", "ruleset"]), "", FILTER_LIMIT).attempting(attempted)?;
    }
    // Somebody may have deleted it, and then this fails.
    let _ = ip(&format!("-n {SWITCH} link delete {BRIDGE}"));
    lay_switch()
}

fn lay_switch() -> Result<()> {
    let length = NETWORK.prefix_len();
    batch(
        SWITCH,
        &format!(
            "link set lo up\n\
             link add {BRIDGE} address {} type bridge stp_state 0 forward_delay 0\n\
             address add {SWITCH_ADDRESS}/{length} dev {BRIDGE}\n\
             link set {BRIDGE} up\n",
            bridge_mac(SWITCH_ADDRESS)?
        ),
    )
}

/// A MAC address for a bridge, made from the IPv4 address. A bridge without one takes the lowest of its ports' addresses,
/// which may be a tap's: a tap has the same address on both hosts while its guest migrates, and the hosts then no longer
/// reach each other.
fn bridge_mac(address: &str) -> Result<String> {
    let address: Ipv4Addr = address.parse().attempting(|| format!("read the address {address}"))?;
    let [a, b, c, d] = address.octets();
    Ok(format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}"))
}

/// Creates a host's namespace and plugs it into the switch.
pub fn create_host(namespace: &str, port: &str, address: &str, ledger: &Ledger) -> Result<()> {
    ledger.enter(Thing::NetworkNamespace { name: namespace.into() })?;
    ip(&format!("netns add {namespace}"))?;
    // A host that was here before may still be going: the kernel removes a namespace some time after its last process, and the port
    // with it. Mostly there is none, and then this fails.
    let _ = ip(&format!("-n {SWITCH} link delete {port}"));
    // The pair is created inside the switch, with its peer in the host: at no time is an end in the machine's own namespace.
    batch(
        SWITCH,
        &format!(
            "link add {port} type veth peer name eth0 netns {namespace}\n\
             link set {port} master {BRIDGE} up\n"
        ),
    )?;
    let length = NETWORK.prefix_len();
    batch(
        namespace,
        &format!(
            "link set lo up\n\
             link add {BRIDGE} address {} type bridge stp_state 0 forward_delay 0\n\
             link set eth0 master {BRIDGE} up\n\
             address add {address}/{length} dev {BRIDGE}\n\
             link set {BRIDGE} up\n",
            bridge_mac(address)?
        ),
    )
}

/// Moves the calling thread into the switch's namespace; threads and processes that it starts later are there as well.
pub fn join_switch() -> Result<()> {
    let path = path(SWITCH);
    let attempted = || format!("join the network namespace {}", path.display());
    let file = File::open(&path).attempting(attempted)?;
    setns(file, CloneFlags::CLONE_NEWNET).attempting(attempted)
}

/// Whether the calling thread is in the switch's namespace.
pub fn in_switch() -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |path: &Path| std::fs::metadata(path).map(|found| found.ino()).ok();
    let here = inode(Path::new("/proc/thread-self/ns/net"));
    here.is_some() && here == inode(&path(SWITCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_guests_are_in_one_network_and_in_no_others_place() {
        let hosts: [Ipv4Addr; 3] =
            [SWITCH_ADDRESS, SOURCE_ADDRESS, TARGET_ADDRESS].map(|address| address.parse().unwrap());
        assert!(hosts.iter().all(|host| NETWORK.contains(host)), "{hosts:?}");
        for owner in ["", "a", "4711", "0d0e1c1f-5c3e-4b5e-9d43-7c1f2a3b4c5d", "\u{7f}\u{7f}\u{7f}"] {
            let guests = guest_addresses(owner);
            assert!(NETWORK.contains(&guests), "{owner}: {guests}");
            assert!(!hosts.iter().any(|host| guests.contains(host)), "{owner}: {guests}");
        }
    }
}
