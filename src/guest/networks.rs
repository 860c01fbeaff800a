//! The addresses that libvirt's networks on the hosts give to others, as far as a fleet's guests would have them.
//!
//! Such an address may belong to a machine that is off, or behind a bridge on which nobody answers multivm: only libvirt knows.

use std::sync::Arc;

use roxmltree::{Document, Node};

use super::Guest;
use crate::failure::{Attempt, Cause, FailureKind, Result};
use crate::host::Host;
use crate::libvirt::NetworkSummary;

/// An address that a network of libvirt's gives to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenAddress {
    /// The network and its host, in words.
    network: String,
    address: String,
    /// The MAC address for which it is; empty if that is not known, or for none.
    mac: String,
    /// How it is given, in words.
    how: &'static str,
}

/// All addresses that the networks of a host give: their own, those that they keep for machines, and those that they have
/// leased.
pub fn given_addresses(host: &Host) -> Result<Vec<GivenAddress>> {
    let attempted = || format!("list the addresses of the networks of {}", host.entry.name);
    let networks = host.control.networks().attempting(attempted)?;
    let given = networks.iter().map(|network| read(&host.entry.name, network));
    Ok(given.collect::<Result<Vec<_>>>()?.concat())
}

fn read(host: &str, network: &NetworkSummary) -> Result<Vec<GivenAddress>> {
    let document = Document::parse(&network.xml)
        .map_err(|error| Cause::of(FailureKind::Other, error))
        .attempting(|| format!("read the XML of the network {} of {host}", network.name))?;
    let given = |address: &str, mac: &str, how| GivenAddress {
        network: format!("the network {} of libvirt on {host}", network.name),
        address: address.to_owned(),
        mac: mac.to_lowercase(),
        how,
    };
    let ips = || document.root_element().children().filter(|node| node.has_tag_name("ip"));
    let own = ips().filter_map(|ip| ip.attribute("address")).map(|address| given(address, "", "has itself"));
    let kept = ips().flat_map(kept_for_machines).filter_map(|machine| {
        Some(given(
            machine.attribute("ip")?,
            machine.attribute("mac").unwrap_or_default(),
            "keeps for a machine",
        ))
    });
    let leased = network.leases.iter().map(|lease| given(&lease.address, &lease.mac, "has leased"));
    Ok(own.chain(kept).chain(leased).collect())
}

/// The machines for which a network keeps an address: `<dhcp><host mac='...' ip='...'/></dhcp>`.
fn kept_for_machines<'a, 'b>(ip: Node<'a, 'b>) -> impl Iterator<Item = Node<'a, 'b>> {
    let dhcp = ip.children().filter(|node| node.has_tag_name("dhcp"));
    dhcp.flat_map(|dhcp| dhcp.children().filter(|node| node.has_tag_name("host")))
}

/// A sentence for each of these addresses that a guest of ours would have. What is for the guest itself is in nobody's way.
pub fn given_to_others(given: &[GivenAddress], guests: &[Arc<Guest>]) -> Vec<String> {
    let taken = |guest: &Arc<Guest>| {
        let address = guest.address.to_string();
        let of_others = given.iter().filter(|given| given.address == address && given.mac != guest.mac);
        let sentence = |given: &GivenAddress| {
            let to = if given.mac.is_empty() { String::new() } else { format!(" ({})", given.mac) };
            let GivenAddress { network, how, .. } = given;
            format!("{network} {how}{to} the address {address} of {}", guest.name)
        };
        of_others.map(sentence).collect::<Vec<_>>()
    };
    guests.iter().flat_map(taken).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::role::Role;
    use super::super::testing::{guest, inventory};
    use super::*;
    use crate::libvirt::NetworkLease;

    const SOMEBODY: &str = "52:54:00:00:00:01";

    fn guests() -> Vec<Arc<Guest>> {
        (1..=2).map(|number| Arc::new(guest(Role::Fleet, number, &inventory("a")).unwrap())).collect()
    }

    /// What is found of a network with these elements and leases, where ADDRESS and MAC are vm2's.
    fn found(elements: &str, leases: &[(&str, &str)]) -> Vec<String> {
        let guests = guests();
        let of_vm2 = |text: &str| {
            text.replace("ADDRESS", &guests[1].address.to_string()).replace("MAC", &guests[1].mac)
        };
        let lease =
            |(address, mac): &(&str, &str)| NetworkLease { address: of_vm2(address), mac: of_vm2(mac) };
        let network = NetworkSummary {
            name: "office".into(),
            xml: format!("<network><name>office</name>{}</network>", of_vm2(elements)),
            leases: leases.iter().map(lease).collect(),
        };
        given_to_others(&read("target", &network).unwrap(), &guests)
    }

    #[rstest]
    #[case::its_own("<ip address='ADDRESS' netmask='255.255.0.0'/>", "has itself the address ")]
    #[case::kept_by_mac(
        "<ip address='198.18.0.9'><dhcp><host mac='52:54:00:00:00:01' name='mail' ip='ADDRESS'/></dhcp></ip>",
        "keeps for a machine (52:54:00:00:00:01) the address "
    )]
    #[case::kept_by_name(
        "<ip address='198.18.0.9'><dhcp><host name='mail' ip='ADDRESS'/></dhcp></ip>",
        "keeps for a machine the address "
    )]
    fn an_address_in_the_definition_of_a_network_is_found(#[case] elements: &str, #[case] how: &str) {
        let found = found(elements, &[]);
        let begin = format!("the network office of libvirt on target {how}");
        assert!(
            found.len() == 1 && found[0].starts_with(&begin) && found[0].ends_with(" of vm2"),
            "{found:?}"
        );
    }

    #[rstest]
    #[case::somebody("ADDRESS", SOMEBODY, Some("has leased (52:54:00:00:00:01) the address "))]
    #[case::by_duid("ADDRESS", "", Some("has leased the address "))]
    #[case::the_guest_itself("ADDRESS", "MAC", None)]
    #[case::another_address("198.18.0.77", SOMEBODY, None)]
    fn a_lease_of_somebody_else_is_found(
        #[case] address: &str,
        #[case] mac: &str,
        #[case] how: Option<&str>,
    ) {
        let found = found("", &[(address, mac)]);
        assert_eq!(found.len(), usize::from(how.is_some()), "{found:?}");
        assert!(found.iter().zip(how).all(|(found, how)| found.contains(how)), "{found:?}");
    }

    #[rstest]
    #[case::a_range_that_has_it(
        "<ip address='198.18.0.9'><dhcp><range start='198.18.7.1' end='198.18.7.254'/></dhcp></ip>"
    )]
    #[case::kept_for_the_guest_itself(
        "<ip address='198.18.0.9'><dhcp><host mac='MAC' ip='ADDRESS'/></dhcp></ip>"
    )]
    #[case::a_name("<dns><host ip='ADDRESS'><hostname>mail</hostname></host></dns>")]
    #[case::other_addresses(
        "<ip address='10.0.0.1'><dhcp><host mac='52:54:00:00:00:01' ip='10.0.0.2'/></dhcp></ip>"
    )]
    fn what_nobody_else_has_is_in_nobodys_way(#[case] elements: &str) {
        assert_eq!(found(elements, &[]), Vec::<String>::new());
    }
}
