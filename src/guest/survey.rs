//! The domains that exist on the hosts, and those in the way of a fleet's guests.

use std::sync::Arc;

use roxmltree::{Document, Node};

use super::Guest;
use crate::failure::{Attempt, Cause, FailureKind, Result};
use crate::host::Host;
use crate::libvirt::{MARK_NAMESPACE, Mark};

/// A domain on a host, active or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenDomain {
    pub host: String,
    pub name: String,
    pub uuid: String,
    pub active: bool,
    /// The mark of its maker, if multivm made it.
    pub mark: Option<Mark>,
    macs: Vec<String>,
    /// The IP addresses that its definition names.
    addresses: Vec<String>,
}

/// All domains of a host.
pub fn survey(host: &Host) -> Result<Vec<SeenDomain>> {
    let attempted = || format!("list the domains of {}", host.entry.name);
    let mut seen = Vec::new();
    for summary in host.control.domains().attempting(attempted)? {
        let Some(domain) = host.control.domain(&summary.name).attempting(attempted)? else { continue };
        match domain.xml() {
            Ok(xml) => seen.push(SeenDomain::read(&host.entry.name, summary.active, &xml)?),
            // Somebody has removed the domain since the list was made.
            Err(error) if error.is_no_domain() => {}
            Err(error) => return Err(error).attempting(attempted),
        }
    }
    Ok(seen)
}

impl SeenDomain {
    /// Reads a domain's XML.
    pub fn read(host: &str, active: bool, xml: &str) -> Result<SeenDomain> {
        let document = Document::parse(xml)
            .map_err(|error| Cause::of(FailureKind::Other, error))
            .attempting(|| format!("read the XML of a domain of {host}"))?;
        let domain = document.root_element();
        let text =
            |name: &str| child(domain, name).and_then(|node| node.text()).unwrap_or_default().to_owned();
        let mark = child(domain, "metadata").and_then(|metadata| {
            metadata
                .children()
                .filter(|node| node.tag_name().namespace() == Some(MARK_NAMESPACE))
                .find_map(Mark::of)
        });
        let attributes = |element: &str, attribute: &str| -> Vec<String> {
            domain
                .descendants()
                .filter(|node| node.parent().is_some_and(|parent| parent.has_tag_name("interface")))
                .filter(|node| node.has_tag_name(element))
                .filter_map(|node| node.attribute(attribute).map(str::to_lowercase))
                .collect()
        };
        let mut addresses = attributes("ip", "address");
        addresses.extend(filtered(domain));
        addresses.extend(of_command_line(domain));
        Ok(SeenDomain {
            host: host.to_owned(),
            name: text("name"),
            uuid: text("uuid"),
            active,
            mark,
            macs: attributes("mac", "address"),
            addresses,
        })
    }

    /// Whether the domain belongs to the fleet of `owner`.
    pub fn is_of(&self, owner: &str) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.run == owner)
    }

    /// The things that the domain shares with a guest of ours, in words.
    fn shares(&self, guest: &Guest) -> Vec<String> {
        let same = |is: bool, what: String| is.then_some(what);
        let parts = [
            same(self.name == guest.name, "name".into()),
            same(self.uuid.eq_ignore_ascii_case(&guest.uuid), format!("UUID {}", guest.uuid)),
            same(self.macs.contains(&guest.mac), format!("MAC address {}", guest.mac)),
            same(self.addresses.contains(&guest.address.to_string()), format!("address {}", guest.address)),
        ];
        parts.into_iter().flatten().collect()
    }

    fn description(&self) -> String {
        let state = if self.active { "active" } else { "not active" };
        let maker = match &self.mark {
            Some(mark) => format!("which multivm made for another run, {}", mark.run),
            None => "which multivm did not make".to_owned(),
        };
        format!("domain {} on {} ({}, {state}), {maker}", self.name, self.host, self.uuid)
    }
}

/// A sentence for each domain in the way of these guests: not `owner`'s, and with something of a guest's.
pub fn in_the_way(seen: &[SeenDomain], guests: &[Arc<Guest>], owner: &str) -> Vec<String> {
    let mut found = Vec::new();
    for domain in seen.iter().filter(|domain| !domain.is_of(owner)) {
        for guest in guests {
            let shared = domain.shares(guest);
            if !shared.is_empty() {
                found.push(format!(
                    "{}, has the {} of {}",
                    domain.description(),
                    shared.join(", "),
                    guest.name
                ));
            }
        }
    }
    found
}

fn child<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Option<Node<'a, 'b>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The addresses that a network filter lets through (`<parameter name='IP' value='...'/>`).
fn filtered(domain: Node<'_, '_>) -> Vec<String> {
    domain
        .descendants()
        .filter(|node| node.has_tag_name("parameter") && node.attribute("name") == Some("IP"))
        .filter_map(|node| node.attribute("value").map(str::to_owned))
        .collect()
}

/// The address in a kernel's command line, as in `ip=ADDRESS::GATEWAY:...`.
fn of_command_line(domain: Node<'_, '_>) -> Vec<String> {
    let words = child(domain, "os").and_then(|os| child(os, "cmdline")).and_then(|line| line.text());
    words
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("ip=")?.split(':').next().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::role::Role;
    use super::super::testing::{guest, inventory};
    use super::*;
    use crate::libvirt::mark_examples::{EXAMPLES, RUN};

    fn guests() -> Vec<Arc<Guest>> {
        (1..=2).map(|number| Arc::new(guest(Role::Fleet, number, &inventory("a")).unwrap())).collect()
    }

    fn foreign(name: &str, more: &str) -> String {
        let uuid = "9c1b2a3d-0000-4000-8000-0123456789ab";
        format!("<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>{more}</domain>")
    }

    fn found(xml: &str) -> Vec<String> {
        let seen = SeenDomain::read("target", false, xml).unwrap();
        in_the_way(&[seen], &guests(), "a")
    }

    #[test]
    fn a_foreign_domain_of_another_name_is_in_nobodys_way() {
        let other = "<devices><interface><mac address='52:00:00:00:00:01'/><ip address='10.0.0.1'/></interface></devices>";
        assert!(found(&foreign("vm3", "")).is_empty());
        assert!(found(&foreign("database", other)).is_empty());
    }

    #[test]
    fn a_foreign_domain_of_our_name_is_named_with_its_place() {
        let found = found(&foreign("vm1", ""));
        assert_eq!(
            found,
            [
                "domain vm1 on target (9c1b2a3d-0000-4000-8000-0123456789ab, not active), which multivm did not make, \
              has the name of vm1"
            ]
        );
    }

    #[rstest]
    #[case::uuid("<uuid>UUID</uuid>", "UUID")]
    #[case::mac(
        "<devices><interface type='bridge'><mac address='MAC'/></interface></devices>",
        "MAC address"
    )]
    #[case::ip(
        "<devices><interface><ip family='ipv4' address='ADDRESS' prefix='24'/></interface></devices>",
        "address"
    )]
    #[case::filter(
        "<devices><interface><filterref><parameter name='IP' value='ADDRESS'/></filterref></interface></devices>",
        "address"
    )]
    #[case::kernel("<os><cmdline>quiet ip=ADDRESS::198.18.0.1:255.255.0.0 ro</cmdline></os>", "address")]
    fn a_foreign_domain_that_has_something_of_a_guests_is_found(#[case] part: &str, #[case] what: &str) {
        let guest = &guests()[1];
        let part = part
            .replace("UUID", &guest.uuid.to_uppercase())
            .replace("MAC", &guest.mac.to_uppercase())
            .replace("ADDRESS", &guest.address.to_string());
        let xml = foreign("other", &part);
        let xml = if what == "UUID" {
            xml.replacen("<uuid>9c1b2a3d-0000-4000-8000-0123456789ab</uuid>", "", 1)
        } else {
            xml
        };
        let found = found(&xml);
        assert_eq!(found.len(), 1, "{xml}");
        assert!(found[0].contains(&format!("has the {what} ")) && found[0].ends_with(" of vm2"), "{found:?}");
    }

    fn marked(name: &str, run: &str) -> String {
        let mark = format!("<m:owner xmlns:m='{MARK_NAMESPACE}' run='{run}' profile='p'/>");
        foreign(name, &format!("<metadata>{mark}</metadata>"))
    }

    #[test]
    fn our_own_is_not_in_the_way_and_another_runs_is() {
        assert!(found(&marked("vm1", "a")).is_empty());
        assert!(
            found(&marked("vm1", "b"))[0]
                .contains("which multivm made for another run, b, has the name of vm1")
        );
    }

    #[test]
    fn a_domain_is_of_the_run_that_made_it() {
        for (metadata, is_ours) in EXAMPLES {
            let xml = foreign("vm1", &format!("<metadata>{metadata}</metadata>"));
            assert_eq!(SeenDomain::read("source", true, &xml).unwrap().is_of(RUN), *is_ours, "{metadata}");
        }
    }

    #[test]
    fn words_that_look_like_a_mark_are_none() {
        let words = "<description>created by multivm: &lt;owner run='a'/&gt;</description>";
        let stray = format!("<devices><m:owner xmlns:m='{MARK_NAMESPACE}' run='a' profile='p'/></devices>");
        for more in [words, &stray] {
            assert!(!SeenDomain::read("source", true, &foreign("vm1", more)).unwrap().is_of("a"), "{more}");
        }
    }

    #[test]
    fn what_is_no_xml_is_said_to_be_none() {
        assert!(SeenDomain::read("source", true, "<domain").unwrap_err().to_string().contains("source"));
    }
}
