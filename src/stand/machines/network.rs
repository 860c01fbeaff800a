//! The network of the machines: a switch in a namespace of its own, and a link to it.
//!
//! The link's one end is in the network namespace of this process: by it any program here reaches the machines by their
//! addresses, as it reaches hosts elsewhere. It has no other end in the machine's own network, so that nothing of the
//! machines leaves by the machine's own interfaces. The addresses are of 198.18.0.0/15, which is reserved for benchmarks (RFC 2544).

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::Ipv4Net;

use super::machine::{MACHINES, SUBNET};
use crate::failure::Result;
use crate::ledger::Thing;
use crate::stand::Ground;
use crate::stand::ip::{batch, ip};
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// The namespace of the switch.
pub const NAMESPACE: &str = "multivm-machines";

/// The part of the subnet from which guests get their addresses.
pub const GUESTS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 9, 128), 25);

/// This machine's own address in the subnet.
pub const CONTROLLER: &str = "198.18.9.1";

/// This machine's end of the link. The kernel allows 15 characters.
const LINK: &str = "multivm-hosts";

/// How long the kernel may take to remove the link of an earlier namespace.
const LINK_LIMIT: Duration = Duration::from_secs(10);

/// The network as a ledger knows it.
pub fn thing() -> Thing {
    Thing::NetworkNamespace { name: NAMESPACE.into() }
}

/// Whether this machine has the link to machines that are up.
pub fn is_up() -> bool {
    link().exists()
}

fn link() -> PathBuf {
    Path::new("/sys/class/net").join(LINK)
}

/// Waits until the link is gone: the kernel ends a namespace when the last program in it has ended, and the link with it.
pub fn await_end(stop: &StopFlag) -> Result<()> {
    let link = link();
    wait_for(&format!("the link {LINK} of earlier machines to go"), LINK_LIMIT, stop, || {
        if link.exists() { Poll::NotYet("it is there".into()) } else { Poll::Ready(()) }
    })
    .map_err(|failure| {
        failure.try_next(format!("if no other multivm has machines up: ip link delete {LINK}"))
    })
}

/// Creates the switch with a port for each machine. The end of the namespace ends all of it, the link as well.
pub fn create(Ground { ledger, stop }: Ground<'_>) -> Result<()> {
    await_end(stop)?;
    ledger.enter(thing())?;
    ip(&format!("netns add {NAMESPACE}"))?;
    let ports: String = MACHINES
        .iter()
        .map(|machine| {
            let tap = machine.tap;
            format!("tuntap add dev {tap} mode tap\nlink set {tap} master switch up\n")
        })
        .collect();
    let here = std::process::id();
    batch(
        NAMESPACE,
        &format!(
            "link set lo up\n\
             link add switch type bridge stp_state 0 forward_delay 0\n\
             link set switch up\n\
             {ports}\
             link add uplink type veth peer name {LINK} netns {here}\n\
             link set uplink master switch up\n"
        ),
    )?;
    ip(&format!("address add {CONTROLLER}/{} dev {LINK}", SUBNET.prefix_len()))?;
    ip(&format!("link set {LINK} up"))
}
