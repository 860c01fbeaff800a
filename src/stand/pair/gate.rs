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
        --permanent) rules=$rules.permanent ;;
        --zone=*) rules=$rules.${word#--zone=} ;;
        --query-rich-rule=*) grep -s -q -x -F "${word#*=}" "$rules"; exit ;;
        --add-rich-rule=*) grep -s -q -x -F "${word#*=}" "$rules" || echo "${word#*=}" >>"$rules" ;;
        --remove-rich-rule=*) grep -s -v -x -F "${word#*=}" "$rules" >"$rules.new"; mv "$rules.new" "$rules" ;;
    esac
done
"#;

    const RULE: &str =
        "rule family=ipv4 source address=192.0.2.12 port port=49152-49215 protocol=tcp accept\n";

    /// An nft with three chains that filter what comes in, each a file of rules; the last one has the name that iptables gives. It deletes no rule of a chain that is `stuck`, and does not
    /// list anything once it is `broken`.
    const NFT: &str = r##"#!/bin/sh
home=$(dirname "$0")/..
[ ! -e "$home/broken" ] || exit 1
case $* in
    'list chains')
        printf 'table inet f {\n\tchain %s {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n' early late; echo }
        printf 'table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n'
        ;;
    'insert rule '*) chain=$5; shift 5; echo "$* # handle $(date +%N)" >>"$home/nft.$chain" ;;
    '-a list ruleset')
        for chain in early late INPUT; do
            table='inet f'
            [ $chain != INPUT ] || table='ip filter'
            echo "table $table { # handle 1"
            echo "chain $chain { # handle 2"; cat "$home/nft.$chain"; echo }
            echo }
        done
        ;;
    'delete rule '*)
        [ ! -e "$home/stuck.$5" ] || exit 1
        grep -v "# handle $7\$" "$home/nft.$5" >"$home/new"
        mv "$home/new" "$home/nft.$5"
        ;;
esac
"##;

    /// An iptables whose rules are a file of its name. It keeps them in nftables. Once it is `broken` it deletes nothing.
    const IPTABLES: &str = r#"#!/bin/sh
rules=$(dirname "$0")/../$(basename "$0")
[ "$1" != --version ] || echo 'iptables v1.8.11 (nf_tables)'
[ "$1" = -w ] || exit 2
operation=$2
[ "$operation" = -S ] || [ "$#" = 15 ] || exit 2
rule="comment \"${13}\""
case $operation in
    -S) cat "$rules" ;;
    -C) grep -q -x -F "$rule" "$rules" ;;
    -I) echo "$rule" >>"$rules" ;;
    -D)
        [ ! -e "${rules%/*}/broken" ] && grep -q -x -F "$rule" "$rules" || exit 4
        grep -v -x -F "$rule" "$rules" >"$rules.new"
        mv "$rules.new" "$rules"
        ;;
esac
"#;

    fn host() -> Sandbox {
        let host = Sandbox::leased();
        host.program("firewall-cmd", FIREWALLD);
        host
    }

    /// A host that has this program alone to filter what comes in: the machine that runs the tests keeps its own rules.
    fn without_firewalld(name: &str, program: &str) -> Sandbox {
        let host = Sandbox::leased();
        for none in ["firewall-cmd", "iptables", "iptables-legacy", "nft"] {
            host.program(none, "#!/bin/sh\nexit 1\n");
        }
        host.program(name, program);
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

    /// What a gate prints when it does what it is asked for, or why it does not.
    fn attempt(host: &Sandbox, what: &str) -> Result<String, String> {
        let script = format!("set -- {what} 192.0.2.12 49152-49215\n{}", include_str!("gate.sh"));
        let output = host.sh(&script);
        let said = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
    }

    #[test]
    fn a_rule_that_somebody_made_permanent_meanwhile_stays_and_is_told_of() {
        let host = host();
        gate(&host, "open", "192.0.2.12");
        fs::write(host.path("rules.public.permanent"), RULE).unwrap();
        let said = attempt(&host, "close").unwrap();
        assert!(said.starts_with("left: firewalld lets 192.0.2.12 in"), "{said}");
        assert_eq!(content(&host.path("rules.public")).as_deref(), Some(RULE));
    }

    #[test]
    fn a_rule_of_a_later_boot_is_somebodys() {
        let host = host();
        gate(&host, "open", "192.0.2.12");
        let note = host.lease("firewalld.192.0.2.12.49152-49215.tcp");
        fs::write(&note, "no no 4b0f7c2e-earlier\n").unwrap();
        gate(&host, "close", "192.0.2.12");
        assert_eq!(content(&host.path("rules.public")).as_deref(), Some(RULE));
        fs::remove_file(host.path("rules.public")).unwrap();
        gate(&host, "open", "192.0.2.12");
        gate(&host, "close", "192.0.2.12");
        assert_eq!(content(&host.path("rules.public")).as_deref(), Some(""), "the run goes on in this boot");
    }

    #[test]
    fn nothing_is_opened_that_the_lease_cannot_note() {
        // A file cannot be written where a folder is.
        for name in ["firewalld.192.0.2.12.49152-49215.tcp", "zone.192.0.2.12", "address.192.0.2.12"] {
            let host = host();
            fs::create_dir(host.lease(name)).unwrap();
            let said = attempt(&host, "open").unwrap_err();
            assert!(said.contains("the lease takes no note"), "{name}: {said}");
            assert!(!host.path("rules.public").exists(), "{name}");
        }
    }

    /// The rules in every chain of nftables.
    fn chains(host: &Sandbox) -> [usize; 3] {
        ["nft.early", "nft.late", "nft.INPUT"]
            .map(|chain| content(&host.path(chain)).map_or(0, |rules| rules.lines().count()))
    }

    #[test]
    fn every_chain_of_nftables_that_filters_is_opened_and_closed() {
        let host = without_firewalld("nft", NFT);
        for chain in ["nft.early", "nft.late", "nft.INPUT"] {
            fs::write(host.path(chain), "tcp dport 22 accept # handle 4\n").unwrap();
        }
        for _ in 0..2 {
            attempt(&host, "open").unwrap();
        }
        assert_eq!(chains(&host), [3, 3, 3]);
        attempt(&host, "close").unwrap();
        assert_eq!(chains(&host), [1, 1, 1]);
    }

    #[test]
    fn a_rule_that_nftables_keeps_is_not_closed_and_hides_no_other() {
        for stuck in ["early", "late", "INPUT"] {
            let host = without_firewalld("nft", NFT);
            attempt(&host, "open").unwrap();
            fs::write(host.path(&format!("stuck.{stuck}")), "").unwrap();
            let said = attempt(&host, "close").unwrap_err();
            assert!(said.contains("nftables still has the rule") && said.contains(stuck), "{said}");
            assert_eq!(chains(&host).iter().sum::<usize>(), 1);
        }
    }

    #[test]
    fn nftables_that_does_not_answer_is_not_closed() {
        let host = without_firewalld("nft", NFT);
        attempt(&host, "open").unwrap();
        fs::write(host.path("broken"), "").unwrap();
        assert!(attempt(&host, "close").unwrap_err().contains("nft does not say"));
        fs::remove_file(host.path("broken")).unwrap();
        attempt(&host, "close").unwrap();
        assert_eq!(chains(&host), [0, 0, 0]);
    }

    #[test]
    fn the_chain_that_iptables_keeps_in_nftables_is_opened_by_iptables() {
        let host = without_firewalld("nft", NFT);
        host.program("iptables", IPTABLES);
        fs::write(host.path("iptables"), "-P INPUT DROP\n").unwrap();
        attempt(&host, "open").unwrap();
        assert_eq!(chains(&host), [1, 1, 0]);
        assert_eq!(content(&host.path("iptables")).unwrap().lines().count(), 2);
        attempt(&host, "close").unwrap();
        assert_eq!(chains(&host), [0, 0, 0]);
        assert_eq!(content(&host.path("iptables")).as_deref(), Some("-P INPUT DROP\n"));
    }

    #[test]
    fn the_older_iptables_is_opened_beside_the_newer_one() {
        for is_loaded in [true, false] {
            let host = without_firewalld("iptables", IPTABLES);
            host.program("iptables-legacy", IPTABLES);
            let before = "-P INPUT ACCEPT\n-A INPUT -j DROP\n";
            fs::write(host.path("iptables"), "-P INPUT ACCEPT\n").unwrap();
            fs::write(host.path("iptables-legacy"), before).unwrap();
            fs::create_dir(host.path("net")).unwrap();
            fs::write(host.path("net/ip_tables_names"), if is_loaded { "nat\nfilter\n" } else { "" })
                .unwrap();
            let rules = |of: &str| content(&host.path(of)).unwrap().lines().count();
            attempt(&host, "open").unwrap();
            assert_eq!((rules("iptables"), rules("iptables-legacy")), (1, 2 + usize::from(is_loaded)));
            attempt(&host, "close").unwrap();
            assert_eq!(content(&host.path("iptables-legacy")).as_deref(), Some(before));
        }
    }

    #[test]
    fn a_rule_that_iptables_keeps_is_not_closed() {
        let host = without_firewalld("iptables", IPTABLES);
        let before = "-P INPUT DROP\n";
        fs::write(host.path("iptables"), before).unwrap();
        attempt(&host, "open").unwrap();
        fs::write(host.path("broken"), "").unwrap();
        let said = attempt(&host, "close").unwrap_err();
        assert!(said.contains("iptables still has the rule"), "{said}");
        fs::remove_file(host.path("broken")).unwrap();
        attempt(&host, "close").unwrap();
        assert_eq!(content(&host.path("iptables")).as_deref(), Some(before));
    }

    #[test]
    fn what_was_never_opened_is_closed() {
        let host = host();
        gate(&host, "close", "kvm2.example.org");
        assert!(!host.path("rules.public").exists());
    }
}
