//! The guests' network on a host, and here.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::asked_host::{AskedHost, Mend};
use super::{Diagnosis, Pair};
use crate::inventory::file::{Consent, ListedHost, Network};
use crate::stand::pair::{Uplink, overlay_mtu};

const WHAT: &str = "network";

pub fn examine(host: &AskedHost<'_>, pair: &Pair) -> Vec<Diagnosis> {
    let facts = &host.facts;
    let mut findings = match &pair.network {
        Network::Bridge { bridge, .. } => vec![match (facts.one("bridge"), is_up(host)) {
            (Some(_), Some(false)) => host.missing(
                WHAT,
                format!("the bridge {bridge} is down"),
                format!("wanted: up; ip link set {bridge} up"),
            ),
            (Some(_), _) => host.good(WHAT, format!("the bridge {bridge} is there")),
            (None, _) => host.missing(
                WHAT,
                format!("there is no bridge {bridge} of the kernel's"),
                format!(
                    "wanted: a bridge of this name on both hosts, in one segment; multivm makes none of an interface that is in use. \
                     nmcli connection add type bridge ifname {bridge} con-name {bridge} bridge.stp no, and an interface into it; \
                     docs/two-hosts.md has it for each distribution; or `overlay = \"198.18.40.0/24\"`, which multivm makes and deletes"
                ),
            ),
        }],
        Network::Overlay(subnet) => vec![overlay(host, *subnet, pair)],
        Network::Nat => vec![host.warn(
            WHAT,
            "libvirt's own network",
            "no guest is reachable from outside: its answers, its connections, its recovery and its downtime as seen from outside are not proved",
        )],
    };
    // In USER_HZ, which is 1/100 s (the kernel's net/bridge/br_sysfs_br.c).
    let delay = facts.number("bridge_forward_delay").filter(|_| facts.number("bridge_stp_state") > Some(0));
    if let Some(delay) = delay.filter(|delay| *delay > 0) {
        findings.push(host.warn(
            "bridge",
            format!(
                "it has STP, with a forward delay of {} s: a guest that arrives is not heard for twice that long",
                delay / 100
            ),
            "wanted: no STP on the guests' bridge, or no delay; ip link set BRIDGE type bridge stp_state 0",
        ));
    }
    if !matches!(pair.network, Network::Nat) && facts.number("bridge_nf_call_iptables") == Some(1) {
        findings.push(host.warn(
            "bridge",
            "net.bridge.bridge-nf-call-iptables is 1: a stateful firewall breaks connections of guests that arrive",
            "wanted: 0, unless something else, as Docker, needs it; sysctl -w net.bridge.bridge-nf-call-iptables=0",
        ));
    }
    findings
}

/// The addresses that a host must have a way to, as a member of an overlay: those of the other members.
pub fn members(peer: &ListedHost, here: Option<Ipv4Addr>) -> Vec<String> {
    let here = here.map(|here| here.to_string());
    [peer.migration_address.clone()].into_iter().chain(here).collect()
}

/// What an overlay takes of a host that is to be a member of it.
fn overlay(host: &AskedHost<'_>, subnet: Ipv4Net, pair: &Pair) -> Diagnosis {
    let facts = &host.facts;
    let peer = if host.name == "source" { &pair.target } else { &pair.source };
    let members = members(peer, host.here);
    if let Some(program) = ["ip", "bridge"].into_iter().find(|program| !facts.has(program)) {
        let seen = format!("there is no `{program}` to make links with");
        return host.missing(WHAT, seen, "install iproute2 (iproute on Fedora and RHEL)");
    }
    if facts.says("lacks", "vxlan") {
        let advice = "wanted: the kernel's module vxlan, of the kernel that runs; dnf install kernel-modules-$(uname -r) (Fedora, RHEL) or zypper \
                      install kernel-default (SUSE), and modprobe vxlan";
        return host.missing(WHAT, "the kernel has no VXLAN", advice);
    }
    if let Some(route) = facts.one("subnet_in_use") {
        return host.missing(WHAT, in_use(subnet, route), ANOTHER);
    }
    if let Some(member) = members.iter().find(|member| facts.way(member).is_none()) {
        let advice = "wanted: a name that can be resolved there to an IPv4 address, and a route to it";
        return host.missing(WHAT, format!("there is no way to {member}"), advice);
    }
    // A login by IPv6 says nothing of the address by IPv4.
    let client = facts.one("client").and_then(|client| client.parse::<Ipv4Addr>().ok());
    if let (Some(client), Some(here)) = (client, host.here)
        && client != here
    {
        return host.missing(
            WHAT,
            format!("this machine, {here}, has the address {client} there"),
            "wanted: the same, as the host sends frames of the overlay to this machine; `bridge` works behind a translation of addresses",
        );
    }
    let ways = members.iter().filter_map(|member| facts.way(member));
    let mtu = overlay_mtu(ways.map(|way| way.mtu));
    let mend = Mend {
        wanted: "a bridge, and a VXLAN link to the other host and this machine",
        command: "make a bridge of the same name on both hosts, and say `bridge`".to_owned(),
        consent: Consent::Links,
    };
    host.mendable(
        WHAT,
        format!("the overlay {subnet} is not made yet; guests get an MTU of {mtu}"),
        mend,
        pair,
    )
}

fn in_use(subnet: Ipv4Net, route: &str) -> String {
    format!("the overlay's subnet {subnet} is in use there: {route}")
}

/// The link to whoever is this machine itself.
const LOOPBACK: &str = "lo";

/// What a user does who has the overlay's subnet already.
const ANOTHER: &str = "another subnet as `overlay`, which neither the hosts nor this machine have; ip -4 route show says which they have";

/// What an overlay takes of this machine, which is to be a member of it: its address on the way to both hosts, and what was seen.
pub fn here(pair: &Pair) -> (Option<Ipv4Addr>, Vec<Diagnosis>) {
    const HERE: &str = "here: network";
    let Network::Overlay(subnet) = &pair.network else { return (None, Vec::new()) };
    let missing = |seen: String, advice: &str| Diagnosis::missing(HERE, seen, advice);
    let hosts = [&pair.source, &pair.target];
    if let Some(host) = hosts.iter().find(|host| host.jump.is_some()) {
        let seen = format!(
            "{} is reached by way of another machine, and this one is to be a member of the overlay",
            host.address
        );
        return (None, vec![missing(seen, "a controller that reaches both hosts itself; or `bridge`")]);
    }
    let uplink = match Uplink::to(hosts.map(|host| &*host.address)) {
        Ok(uplink) => uplink,
        Err(failure) => {
            let advice = "wanted: IPv4 addresses of both hosts, in one network; or `bridge`";
            return (None, vec![missing(failure.to_string(), advice)]);
        }
    };
    if uplink.link == LOOPBACK {
        let advice = "a controller that is neither host; or `bridge`";
        let seen = "a host is this machine, which is to be a member of the overlay of its own";
        return (None, vec![missing(seen.to_owned(), advice)]);
    }
    let finding = match Uplink::in_use(subnet) {
        Ok(None) => Diagnosis::good(
            HERE,
            format!("both hosts are reached by {}, from {}", uplink.link, uplink.address),
        ),
        Ok(Some(route)) => missing(in_use(*subnet, &route), ANOTHER),
        Err(failure) => missing(failure.to_string(), "is iproute2 (iproute) installed here?"),
    };
    (Some(uplink.address), vec![finding])
}

/// Whether the bridge is switched on: a bridge without a port that has a carrier is `DOWN` for `ip`, and serves guests all the same.
fn is_up(host: &AskedHost<'_>) -> Option<bool> {
    const IFF_UP: u32 = 1;
    let flags = host.facts.one("bridge_flags")?.strip_prefix("0x")?;
    u32::from_str_radix(flags, 16).ok().map(|flags| flags & IFF_UP != 0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary, pair};

    #[rstest]
    #[case::there("bridge br0\nbridge_flags 0x1003", &[Grade::Good])]
    #[case::down("bridge br0\nbridge_flags 0x1002", &[Grade::Missing])]
    #[case::not_there("", &[Grade::Missing])]
    #[case::spanning_tree(
        "bridge br0\nbridge_stp_state 1\nbridge_forward_delay 1500",
        &[Grade::Good, Grade::Warn]
    )]
    #[case::no_spanning_tree("bridge br0\nbridge_stp_state 0\nbridge_forward_delay 1500", &[Grade::Good])]
    #[case::filtered("bridge br0\nbridge_nf_call_iptables 1", &[Grade::Good, Grade::Warn])]
    fn the_sites_bridge_must_be_there(#[case] said: &str, #[case] expected: &[Grade]) {
        let pair = ordinary();
        let [source, _] = hosts(&pair, said, "");
        let grades: Vec<Grade> = examine(&source, &pair).iter().map(|found| found.verdict).collect();
        assert_eq!(grades, expected);
    }

    #[rstest]
    #[case::ready("", Grade::Warn, "MTU of 1350")]
    #[case::no_program("no bridge", Grade::Missing, "there is no `bridge`")]
    #[case::no_vxlan("lacks vxlan", Grade::Missing, "no VXLAN")]
    #[case::in_use(
        "subnet_in_use 198.18.0.0/16 dev br1",
        Grade::Missing,
        "in use there: 198.18.0.0/16 dev br1"
    )]
    #[case::no_way("no way", Grade::Missing, "no way to b")]
    #[case::translated("client 203.0.113.1", Grade::Missing, "has the address 203.0.113.1 there")]
    fn an_overlay_takes_much_of_a_host(#[case] said: &str, #[case] expected: Grade, #[case] seen: &str) {
        let pair = pair("mount = '/srv'", "overlay = '198.18.40.0/24'", "'links'");
        let has = if said == "no bridge" { "has ip" } else { "has ip\nhas bridge" };
        let way = if said == "no way" { "" } else { "way b 192.0.2.12 1400\n" };
        let said = format!("{said}\n{has}\n{way}way 192.0.2.1 192.0.2.1 1500");
        let [source, _] = hosts(&pair, &said, "");
        let source = AskedHost { here: Some(Ipv4Addr::new(192, 0, 2, 1)), ..source };
        let found = &examine(&source, &pair)[0];
        assert_eq!(found.verdict, expected, "{found:?}");
        assert!(found.seen.contains(seen), "{found:?}");
    }

    #[test]
    fn a_controller_must_be_another_member_and_reach_the_others_itself() {
        let mut pair = pair("mount = '/srv'", "overlay = '198.18.40.0/24'", "'links'");
        for (machine, address) in [(&mut pair.source, "127.0.0.1"), (&mut pair.target, "127.0.0.2")] {
            machine.address = address.into();
        }
        let refused = |pair: &Pair, why: &str| {
            let (address, findings) = here(pair);
            assert_eq!((address, findings[0].verdict), (None, Grade::Missing));
            assert!(findings[0].seen.contains(why), "{findings:?}");
        };
        refused(&pair, "a host is this machine");
        pair.target.jump = Some("bastion".into());
        refused(&pair, "by way of another machine");
        (pair.target.jump, pair.target.address) = (None, "::1".into());
        refused(&pair, "the way to this machine is one of IPv4");
    }

    #[test]
    fn what_nat_does_not_prove_is_said() {
        let pair = pair("mount = '/srv'", "nat = true", "");
        let [source, _] = hosts(&pair, "bridge_nf_call_iptables 1", "");
        let found = examine(&source, &pair);
        assert_eq!((found.len(), found[0].verdict), (1, Grade::Warn));
        assert!(found[0].advice.as_ref().unwrap().contains("not proved"));
    }
}
