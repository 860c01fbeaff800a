//! This machine's way to the hosts of a pair, which its part of an overlay goes, and storage that it serves.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::failure::{Attempt, Cause, Failure, FailureKind, Result};
use crate::stand::ip;
use crate::sys::resolve::resolve;

/// How long a host's name may take to be resolved.
const LIMIT: Duration = Duration::from_secs(20);

/// The link by which this machine reaches both hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    pub link: String,
    /// This machine's address on the way.
    pub address: Ipv4Addr,
    pub mtu: u32,
    /// The addresses of both hosts.
    pub hosts: [Ipv4Addr; 2],
}

impl Uplink {
    /// The way to both hosts, which have these names or addresses.
    ///
    /// # Errors
    ///
    /// There is none, or not one for both.
    pub fn to(hosts: [&str; 2]) -> Result<Uplink> {
        let [source, target] = hosts.map(address);
        let hosts = [source?, target?];
        let [source, target] = hosts.map(route);
        let ((link, address), other) = (source?, target?);
        if other != (link.clone(), address) {
            let cause = format!(
                "{} is reached by {link} from {address}, and {} by {} from {}",
                hosts[0], hosts[1], other.0, other.1
            );
            let failure =
                Failure::new("find one link to both hosts", Cause::new(FailureKind::Refused, cause));
            return Err(
                failure.try_next("addresses of the hosts in one network; or `bridge` in place of `overlay`")
            );
        }
        let file = format!("/sys/class/net/{link}/mtu");
        let attempted = || format!("read {file}");
        let mtu = fs::read_to_string(&file).attempting(attempted)?.trim().parse().attempting(attempted)?;
        Ok(Uplink { link, address, mtu, hosts })
    }

    /// The network of this machine that holds a subnet or lies in it, as `ip` says it. The way to anywhere does not count.
    pub fn in_use(subnet: impl std::fmt::Display) -> Result<Option<String>> {
        let said = ["root", "match"].map(|how| ip::said(&format!("-4 -o route show to {how} {subnet}")));
        let [inside, around] = said;
        let routes = inside? + &around?;
        Ok(routes.lines().find(|route| !route.starts_with("default")).map(|route| route.trim().to_owned()))
    }
}

/// The IPv4 address of a host.
fn address(host: &str) -> Result<Ipv4Addr> {
    let attempted = || format!("find the IPv4 address of {host}");
    let all = resolve(host, 0, LIMIT).attempting(attempted)?;
    let found = all.iter().find_map(|address| match address.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    found.ok_or_else(|| Failure::new(attempted(), "it has none, and the way to this machine is one of IPv4"))
}

/// The link to an address, and this machine's own address on it.
fn route(to: Ipv4Addr) -> Result<(String, Ipv4Addr)> {
    let said = ip::said(&format!("-4 -o route get {to}"))?;
    let after = |word: &str| said.split_whitespace().skip_while(|part| *part != word).nth(1);
    let found = after("dev").zip(after("src").and_then(|address| address.parse().ok()));
    found
        .map(|(link, address)| (link.to_owned(), address))
        .ok_or_else(|| Failure::new(format!("find the way to {to}"), format!("ip says `{}`", said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_this_machine_is_its_loopback() {
        let uplink = Uplink::to(["127.0.0.1", "127.0.0.2"]).unwrap();
        assert_eq!((&*uplink.link, uplink.hosts[1]), ("lo", Ipv4Addr::new(127, 0, 0, 2)));
        assert!(uplink.mtu > 1500, "{uplink:?}");
    }

    #[test]
    fn a_host_needs_an_address_of_ipv4() {
        let failure = Uplink::to(["127.0.0.1", "::1"]).unwrap_err();
        assert!(failure.to_string().contains("the way to this machine is one of IPv4"), "{failure}");
    }
}
