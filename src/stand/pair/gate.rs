//! The ports of a host that receives guests: open for the other host alone, and only meanwhile.

use super::change::Change;
use super::lease::LEASE;
use crate::inventory::Gate;
use crate::inventory::file::Consent;
use crate::remote::quote;

/// What opens ports for a peer, or closes them.
pub fn command(what: &str, peer: &str, ports: &str) -> String {
    format!("sh {LEASE}/gate {what} {} {}", quote(peer), quote(ports))
}

/// Lets a peer in until the host is put back, with consent.
pub fn admit(name: &'static str, peer: &str, ports: &str, instead: &str) -> Change {
    Change {
        consent: Some(Consent::Firewall),
        instead: instead.to_owned(),
        ..Change::own(name, command("open", peer, ports), command("close", peer, ports))
    }
}

/// The gate of a host for its peer.
pub fn gate(peer: &str, ports: &str) -> Gate {
    Gate { open: command("open", peer, ports), close: command("close", peer, ports) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Output;

    use super::super::testing::{Sandbox, content};

    /// A firewall-cmd whose rules are a file, one of each zone. It says yes to a rule that is there, and to the removal of one that is not.
    const FIREWALLD: &str = r#"#!/bin/sh
rules=$(dirname "$0")/../rules
for word in "$@"; do
    case $word in
        --state) echo running; exit ;;
        --get-zone-of-interface=*) exit 1 ;;
        --get-default-zone) echo public; exit ;;
        --zone=*) rules=$rules.${word#--zone=} ;;
        --query-rich-rule=*) grep -s -q -x -F "${word#*=}" "$rules"; exit ;;
        --add-rich-rule=*) grep -s -q -x -F "${word#*=}" "$rules" || echo "${word#*=}" >>"$rules" ;;
        --remove-rich-rule=*) grep -s -v -x -F "${word#*=}" "$rules" >"$rules.new"; mv "$rules.new" "$rules" ;;
    esac
done
"#;

    const RULE: &str =
        "rule family=ipv4 source address=192.0.2.12 port port=49152-49215 protocol=tcp accept\n";

    fn host() -> Sandbox {
        let host = Sandbox::leased();
        host.program("firewall-cmd", FIREWALLD);
        host
    }

    fn gate(host: &Sandbox, what: &str, address: &str) -> Output {
        gate_at(host, what, address, "49152-49215")
    }

    fn gate_at(host: &Sandbox, what: &str, address: &str, ports: &str) -> Output {
        let script = format!("set -- {what} {address} {ports}\n{}", include_str!("gate.sh"));
        let output = host.sh(&script);
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    #[test]
    fn a_gate_opens_and_closes_again_and_again() {
        let host = host();
        for _ in 0..2 {
            gate(&host, "open", "192.0.2.12");
            assert_eq!(content(&host.path("rules.public")).as_deref(), Some(RULE));
            gate(&host, "close", "192.0.2.12");
            assert_eq!(content(&host.path("rules.public")).as_deref(), Some(""));
        }
        gate(&host, "close", "192.0.2.12");
    }

    #[test]
    fn a_port_of_udp_is_another_one() {
        let host = host();
        for ports in ["4789", "4789/udp"] {
            gate_at(&host, "open", "192.0.2.12", ports);
        }
        gate_at(&host, "close", "192.0.2.12", "4789");
        let left =
            "rule family=ipv4 source address=192.0.2.12 port port=4789 protocol=udp accept\n".to_owned();
        assert_eq!(content(&host.path("rules.public")), Some(left));
    }

    #[test]
    fn a_rule_that_was_there_stays() {
        let host = host();
        fs::write(host.path("rules.public"), RULE).unwrap();
        for what in ["open", "close", "open", "close"] {
            gate(&host, what, "192.0.2.12");
            assert_eq!(content(&host.path("rules.public")).as_deref(), Some(RULE));
        }
    }

    #[test]
    fn a_name_is_closed_for_what_it_was_opened_for() {
        let host = host();
        fs::write(host.lease("address.kvm2.example.org"), "192.0.2.12\n").unwrap();
        gate(&host, "open", "kvm2.example.org");
        assert_eq!(content(&host.path("rules.public")).as_deref(), Some(RULE));
        gate(&host, "close", "kvm2.example.org");
        assert_eq!(content(&host.path("rules.public")).as_deref(), Some(""));
    }

    #[test]
    fn what_was_never_opened_is_closed() {
        let host = host();
        gate(&host, "close", "kvm2.example.org");
        assert!(!host.path("rules.public").exists());
    }
}
