//! Whether a host hears another one on a link: what is sent to an address of that link makes the kernel ask who has it, and the
//! MAC address of the answer says who answered. No firewall has a say in that.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::failure::Result;
use crate::remote::{Remote, quote};

/// A port at which nobody listens: what is sent there makes the kernel ask for the receiver's MAC address.
pub const DISCARD: u16 = 9;

/// Whether `from` learns on `link`, within `patience`, that the machine with that MAC address has that IP address.
///
/// # Errors
///
/// The host could not be asked.
pub fn hears(from: &Remote, link: &str, address: Ipv4Addr, mac: &str, patience: Duration) -> Result<bool> {
    let send = format!(": > /dev/udp/{address}/{DISCARD}; echo > /dev/udp/{address}/{DISCARD}");
    let (send, link, mac) = (quote(&send), quote(link), quote(mac));
    let ask = format!(
        "PATH=$PATH:/usr/sbin:/sbin; end=$(($(date +%s) + {})); while :; do bash -c {send} 2> /dev/null; \
         ip -4 neigh show to {address} dev {link} | grep -q -i -F {mac} && exit 0; [ $(date +%s) -lt $end ] || exit 1; sleep 1; done",
        patience.as_secs()
    );
    Ok(from.run(&ask, 3 * patience)?.status == 0)
}
