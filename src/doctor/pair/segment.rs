//! Whether the site's bridge is in one segment on both hosts, as far as that shows without a guest: where both have an address
//! on it, the source must hear the target there.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::{AskedHost, Diagnosis, Pair};
use crate::inventory::file::Network;
use crate::stand::pair::hears;

const WHAT: &str = "bridges";

/// How long the target's bridge may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

pub fn examine(hosts: &[AskedHost<'_>; 2], pair: &Pair) -> Vec<Diagnosis> {
    let Network::Bridge { bridge, .. } = &pair.network else { return Vec::new() };
    let [source, target] = hosts;
    // A bridge that is not there has a line of its own.
    if hosts.iter().any(|host| host.facts.one("bridge").is_none()) {
        return Vec::new();
    }
    let Some((address, mac)) = to_be_heard(source, target) else {
        return vec![Diagnosis::warn(
            WHAT,
            format!("not tried: the hosts have no addresses on {bridge} in one subnet"),
            "wanted: one segment; if it is not, guests are silent after their first move, which fails scenarios; with an \
             address of the segment on each bridge for a moment, arping shows it",
        )];
    };
    vec![match hears(&source.remote, bridge, address, &mac, ANSWER) {
        Ok(true) => Diagnosis::good(
            WHAT,
            format!("the source hears the target's {bridge}, {mac}, at {address}: one segment"),
        ),
        Ok(false) => Diagnosis::warn(
            WHAT,
            format!(
                "the source does not hear the target's {bridge}, {mac}, at {address} on its own {bridge} within {} s",
                ANSWER.as_secs()
            ),
            format!(
                "wanted: both in one segment, or guests are silent after a move; ip -4 neigh show to {address} and bridge link show on the \
                 source: is the right interface in the bridge, the right VLAN on the switch?"
            ),
        ),
        Err(failure) => Diagnosis::warn(WHAT, failure.to_string(), "the source could not be asked"),
    }]
}

/// The address at which the source must hear the target on its bridge, and the target's MAC address there; none where they are
/// in no subnet together.
fn to_be_heard(source: &AskedHost<'_>, target: &AskedHost<'_>) -> Option<(Ipv4Addr, String)> {
    let address = |host: &AskedHost<'_>| host.facts.one("bridge_address")?.parse::<Ipv4Net>().ok();
    let (own, other) = (address(source)?, address(target)?);
    let mac = target.facts.one("bridge_mac")?.to_owned();
    own.contains(&other.addr()).then_some((other.addr(), mac))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    const TARGET: &str = "bridge br0\nbridge_mac 52:54:00:00:00:02\nbridge_address 192.0.2.12/24";

    #[rstest]
    #[case::in_one_subnet("bridge_address 192.0.2.11/24", Some(Ipv4Addr::new(192, 0, 2, 12)))]
    #[case::in_another("bridge_address 192.0.3.11/24", None)]
    #[case::without_an_address("bridge br0", None)]
    fn an_address_of_the_bridge_is_tried(#[case] said: &str, #[case] expected: Option<Ipv4Addr>) {
        let pair = ordinary();
        let [source, target] = hosts(&pair, said, TARGET);
        assert_eq!(to_be_heard(&source, &target).map(|(address, _)| address), expected);
    }

    #[test]
    fn what_was_not_tried_is_said() {
        let pair = ordinary();
        let found = examine(&hosts(&pair, "bridge br0", TARGET), &pair);
        assert_eq!(found[0].verdict, Grade::Warn);
        assert!(found[0].seen.starts_with("not tried: "), "{found:?}");
        assert!(examine(&hosts(&pair, "", TARGET), &pair).is_empty(), "it has a line of its own");
    }
}
