//! The guests' network on a host.

use super::{AskedHost, Consent, Diagnosis, Mend, Pair};
use crate::inventory::file::Network;

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
                "wanted: a bridge of this name on both hosts, in one segment; multivm makes none of an interface that is in use; or \
                 `overlay = \"198.18.40.0/24\"`, which multivm makes and deletes",
            ),
        }],
        Network::Overlay(subnet) if facts.has("ip") => vec![host.mendable(
            WHAT,
            format!("the overlay {subnet} is not made yet"),
            Mend {
                wanted: "a bridge and a VXLAN link of multivm's own",
                command: "see docs/hosts.md for the commands".to_owned(),
                consent: Consent::Links,
            },
            pair,
        )],
        Network::Overlay(_) => {
            vec![host.missing(WHAT, "there is no `ip` to make links with", "install iproute2 (iproute)")]
        }
        Network::Nat => vec![host.warn(
            WHAT,
            "libvirt's own network",
            "no guest is reachable from outside: `reachable`, `connection`, `recovery` and downtimes as seen from outside are not proved",
        )],
    };
    // In 1/100 s (the kernel's Documentation/ABI/testing/sysfs-class-net).
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

    #[test]
    fn what_nat_does_not_prove_is_said() {
        let pair = pair("mount = '/srv'", "nat = true", "");
        let [source, _] = hosts(&pair, "bridge_nf_call_iptables 1", "");
        let found = examine(&source, &pair);
        assert_eq!((found.len(), found[0].verdict), (1, Grade::Warn));
        assert!(found[0].advice.as_ref().unwrap().contains("not proved"));
    }
}
