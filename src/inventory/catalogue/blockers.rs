//! What keeps a guest of a user's own domain XML from migrating, or from being one of several.

use std::ops::Range;

use roxmltree::Node;

/// A part of a domain that keeps its guest from migrating.
#[derive(Debug, PartialEq, Eq)]
pub struct Blocker {
    /// The part's place in the text.
    pub place: Range<usize>,
    pub what: String,
    pub allowed: &'static str,
}

/// A kind of blocker: whether an element is one, in words, and what may stand in its place.
type Rule = (fn(Node<'_, '_>) -> Option<String>, &'static str);

const WITHOUT: &str = "a guest without it";

/// Every kind of blocker. The first one that fits an element counts.
const RULES: [Rule; 15] = [
    (|node| is(node, "hostdev", "a device of the host, which stays there"), WITHOUT),
    (|node| is(node, "filesystem", "a folder of the host, which stays there"), WITHOUT),
    (|node| is(node, "shmem", "memory that it shares with others on its host"), WITHOUT),
    (|node| is(node, "lease", "a lease of its host's lock manager"), WITHOUT),
    (|node| is(node, "launchSecurity", "memory that its host encrypts"), WITHOUT),
    (
        |node| named(node, "tpm", "backend", "type", &["passthrough", "external"]),
        "`<backend type='emulator'>`, or none",
    ),
    (|node| with(node, "smartcard", "mode", &["host", "host-certificates"]), WITHOUT),
    (|node| with(node, "redirdev", "bus", &["usb"]), WITHOUT),
    (|node| with(node, "memory", "model", &["nvdimm", "virtio-pmem", "sgx-epc"]), WITHOUT),
    (
        |node| with(node, "interface", "type", &["hostdev", "vdpa", "vhostuser"]),
        "a card that QEMU has itself, as `<interface type='bridge'>`",
    ),
    (|node| with(node, "cpu", "migratable", &["off"]), "`migratable='on'`"),
    (invariant_tsc, "the feature left out, or the clock's frequency: `<timer name='tsc' frequency='...'/>`"),
    (cache, "`cache='none'`, `cache='directsync'`, or no word of it"),
    (|node| with(node, "channel", "type", HOSTS_DEVICES), WITHOUT),
    (listens_at_one_host, "`0.0.0.0`, `::`, `127.0.0.1`, or no address"),
];

/// Characters that go to a device of a host.
const HOSTS_DEVICES: &[&str] = &["dev"];

/// Every kind of thing that one guest can have alone on a host, and so none of several.
const RULES_OF_SEVERAL: [Rule; 4] = [
    (fixed_port, "`port='-1' autoport='yes'`, or no port"),
    (fixed_socket, "no `socket`, or one guest of this domain"),
    (fixed_cid, "`<cid auto='yes'/>`"),
    (fixed_path, "`<source>` left out: libvirt gives each guest a path of its own"),
];

/// What keeps a domain from being that of several guests, in the order of its text.
pub fn of_several(domain: Node<'_, '_>) -> Vec<Blocker> {
    by(&RULES_OF_SEVERAL, domain)
}

/// All blockers of a domain, in the order of its text.
pub fn all(domain: Node<'_, '_>) -> Vec<Blocker> {
    let mut found = by(&RULES, domain);
    found.extend(second_ones(domain));
    found.sort_by_key(|blocker| blocker.place.start);
    found
}

fn by(rules: &[Rule], domain: Node<'_, '_>) -> Vec<Blocker> {
    let of = |node: Node<'_, '_>| {
        rules
            .iter()
            .find_map(|(rule, allowed)| rule(node).map(|what| Blocker { place: node.range(), what, allowed }))
    };
    // What applications keep in a domain is none of libvirt's.
    let is_libvirts = |node: &Node<'_, '_>| !node.ancestors().any(|above| above.has_tag_name("metadata"));
    let elements = domain.descendants().filter(Node::is_element).filter(is_libvirts);
    elements.filter_map(of).collect()
}

/// The disk that becomes the image of a guest: the first one that a guest can write to.
pub fn main_disk<'a, 'i>(domain: Node<'a, 'i>) -> Option<Node<'a, 'i>> {
    devices(domain, "disk").find(|disk| {
        disk.attribute("device").is_none_or(|device| device == "disk")
            && !disk.children().any(|child| child.has_tag_name("readonly"))
    })
}

/// The devices of a kind.
pub fn devices<'a, 'i: 'a>(domain: Node<'a, 'i>, kind: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    let devices = domain.children().find(|child| child.has_tag_name("devices"));
    devices.into_iter().flat_map(|devices| devices.children()).filter(move |node| node.has_tag_name(kind))
}

/// Disks with a medium beside the first one, which all guests would share, and network cards beside the first one.
fn second_ones(domain: Node<'_, '_>) -> Vec<Blocker> {
    let main = main_disk(domain);
    let has_medium = |disk: &Node<'_, '_>| disk.children().any(|child| child.has_tag_name("source"));
    let disks = devices(domain, "disk").filter(|disk| Some(*disk) != main && has_medium(disk)).map(|disk| Blocker {
        place: disk.range(),
        what: "a guest with a disk beside its image's cannot migrate: what is on that stays on one host, and all guests would share it"
            .to_owned(),
        allowed: "one disk, and drives without a medium",
    });
    let cards = devices(domain, "interface").skip(1).map(|card| Blocker {
        place: card.range(),
        what: "a guest has one network card here: multivm knows one network of the hosts".to_owned(),
        allowed: "one `<interface>`",
    });
    disks.chain(cards).collect()
}

fn is(node: Node<'_, '_>, name: &str, what: &str) -> Option<String> {
    node.has_tag_name(name).then(|| format!("a guest with `<{name}>` cannot migrate: it is {what}"))
}

fn with(node: Node<'_, '_>, name: &str, attribute: &str, bad: &[&str]) -> Option<String> {
    let value = node.attribute(attribute).filter(|value| node.has_tag_name(name) && bad.contains(value))?;
    Some(format!("a guest with `<{name} {attribute}='{value}'>` cannot migrate"))
}

fn named(node: Node<'_, '_>, name: &str, child: &str, attribute: &str, bad: &[&str]) -> Option<String> {
    let child = node.children().find(|inner| node.has_tag_name(name) && inner.has_tag_name(child))?;
    with(child, child.tag_name().name(), attribute, bad)
        .map(|_| format!("a guest with a `<{name}>` of that type cannot migrate: it is its host's"))
}

/// A clock that must not change, on hosts whose clocks may differ.
fn invariant_tsc(node: Node<'_, '_>) -> Option<String> {
    let required = node.has_tag_name("feature")
        && node.attribute("name") == Some("invtsc")
        && !matches!(node.attribute("policy"), Some("disable" | "forbid"));
    let root = node.document().root_element();
    let fixed = || {
        root.descendants().any(|timer| {
            timer.has_tag_name("timer")
                && timer.attribute("name") == Some("tsc")
                && timer.has_attribute("frequency")
        })
    };
    (required && !fixed()).then(|| "a guest with the CPU's feature `invtsc` cannot migrate".to_owned())
}

/// Graphics at an address that one host alone has.
fn listens_at_one_host(node: Node<'_, '_>) -> Option<String> {
    let address = match node.tag_name().name() {
        "graphics" => node.attribute("listen"),
        "listen" => node.attribute("address"),
        _ => None,
    };
    let address = address.filter(|address| !ANYWHERE.contains(address))?;
    Some(format!(
        "a guest whose graphics listen at {address} cannot migrate: the other host does not have that address"
    ))
}

/// Addresses that every host has.
const ANYWHERE: [&str; 5] = ["0.0.0.0", "::", "127.0.0.1", "::1", "localhost"];

/// A port of graphics that is the same for every guest.
fn fixed_port(node: Node<'_, '_>) -> Option<String> {
    let is_free = node.attribute("autoport") == Some("yes");
    let ports = ["port", "tlsPort", "websocket"];
    let mut fixed = ports.iter().filter_map(|name| Some((name, node.attribute(*name)?)));
    let (name, port) =
        fixed.find(|(_, port)| *port != "-1").filter(|_| node.has_tag_name("graphics") && !is_free)?;
    Some(format!("all guests of the domain would have their graphics at `{name}='{port}'` of their host"))
}

/// A socket of graphics that is the same for every guest.
fn fixed_socket(node: Node<'_, '_>) -> Option<String> {
    let is_ours = node.has_tag_name("graphics") || node.has_tag_name("listen");
    let socket = node.attribute("socket").filter(|_| is_ours)?;
    Some(format!("all guests of the domain would have their graphics at {socket} of their host"))
}

/// A context id of vsock that is the same for every guest.
fn fixed_cid(node: Node<'_, '_>) -> Option<String> {
    let of_vsock = node.has_tag_name("cid") && node.parent().is_some_and(|above| above.has_tag_name("vsock"));
    let cid = node.attribute("address").filter(|_| of_vsock && node.attribute("auto") != Some("yes"))?;
    Some(format!(
        "all guests of the domain would have the context id {cid}, which is one guest's alone on a host"
    ))
}

/// A file of the host behind a channel or a port, the same for every guest.
fn fixed_path(node: Node<'_, '_>) -> Option<String> {
    let above =
        node.parent().filter(|above| ["channel", "parallel"].iter().any(|name| above.has_tag_name(*name)))?;
    let path = node.attribute("path").filter(|_| node.has_tag_name("source"))?;
    let kind = above.tag_name().name();
    Some(format!("all guests of the domain would have {path} of their host behind their `<{kind}>`"))
}

/// A cache of the host, which the other one does not see.
fn cache(node: Node<'_, '_>) -> Option<String> {
    let of_disk = node.has_tag_name("driver") && node.parent().is_some_and(|disk| disk.has_tag_name("disk"));
    let mode = node.attribute("cache").filter(|_| of_disk)?;
    (!["none", "directsync", "default"].contains(&mode))
        .then(|| format!("libvirt calls the migration of a disk with `cache='{mode}'` unsafe"))
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;
    use rstest::rstest;

    use super::*;

    const DOMAIN: &str = r"<domain><name>mine</name>
<cpu mode='host-passthrough' migratable='on'/>
<devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='/a'/><target dev='vda'/></disk>
<disk type='file' device='cdrom'><target dev='sda'/></disk>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>
<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>
</devices></domain>";

    fn found(text: &str) -> Vec<(String, String)> {
        found_by(all, text)
    }

    fn found_by(look: fn(Node<'_, '_>) -> Vec<Blocker>, text: &str) -> Vec<(String, String)> {
        let document = Document::parse(text).unwrap();
        let found = look(document.root_element()).into_iter();
        found.map(|one| (text[one.place].chars().take(20).collect(), one.what)).collect()
    }

    #[rstest]
    #[case::port("<graphics type='vnc' port='5901' autoport='no'/>", "`port='5901'`")]
    #[case::tls_port("<graphics type='spice' port='-1' tlsPort='5902'/>", "`tlsPort='5902'`")]
    #[case::socket(
        "<graphics type='vnc'><listen type='socket' socket='/run/vnc'/></graphics>",
        "at /run/vnc"
    )]
    #[case::cid("<vsock model='virtio'><cid auto='no' address='7'/></vsock>", "context id 7")]
    #[case::channel(
        "<channel type='unix'><source mode='bind' path='/run/agent'/><target type='virtio'/></channel>",
        "/run/agent of their host behind their `<channel>`"
    )]
    #[case::parallel(
        "<parallel type='file'><source path='/tmp/out'/></parallel>",
        "behind their `<parallel>`"
    )]
    fn what_one_guest_alone_can_have_is_for_none_of_several(#[case] device: &str, #[case] what: &str) {
        let text = DOMAIN.replacen("</devices>", &format!("{device}</devices>"), 1);
        let several = found_by(of_several, &text);
        assert!(several.len() == 1 && several[0].1.contains(what), "{several:?}");
        assert_eq!(found(&text), [], "one guest may have it");
    }

    #[rstest]
    #[case::free_port("<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>")]
    #[case::port_of_the_last_start(
        "<graphics type='vnc' port='5901' autoport='yes'><listen type='address'/></graphics>"
    )]
    #[case::free_cid("<vsock model='virtio'><cid auto='yes' address='7'/></vsock>")]
    #[case::channel("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>")]
    #[case::spice("<channel type='spicevmc'><target type='virtio'/></channel>")]
    fn what_each_guest_gets_of_its_own_is_for_several(#[case] device: &str) {
        let text = DOMAIN.replacen("</devices>", &format!("{device}</devices>"), 1);
        assert_eq!(found_by(of_several, &text), []);
        assert_eq!(found(&text), []);
    }

    #[test]
    fn an_ordinary_guest_can_migrate() {
        assert_eq!(found(DOMAIN), []);
    }

    #[rstest]
    #[case::device(
        "</devices>",
        "<hostdev mode='subsystem' type='pci'/></devices>",
        "<hostdev",
        "a device of the host"
    )]
    #[case::folder(
        "</devices>",
        "<filesystem type='mount'><driver type='virtiofs'/></filesystem></devices>",
        "<filesystem",
        "a folder of the host"
    )]
    #[case::memory("</devices>", "<shmem name='s'/></devices>", "<shmem", "shares with others")]
    #[case::pmem("</devices>", "<memory model='nvdimm'/></devices>", "<memory model", "model='nvdimm'")]
    #[case::second(
        "</devices>",
        "<disk type='block'><source dev='/dev/sdb'/></disk></devices>",
        "<disk type='block'>",
        "all guests would share it"
    )]
    #[case::medium(
        "<target dev='sda'/>",
        "<source file='/x.iso'/><target dev='sda'/>",
        "<disk type='file' de",
        "all guests would share it"
    )]
    #[case::card(
        "</devices>",
        "<interface type='user'/></devices>",
        "<interface type='use",
        "one network card"
    )]
    #[case::virtual_function("type='network'", "type='hostdev'", "<interface type='hos", "type='hostdev'")]
    #[case::cpu("'on'", "'off'", "<cpu mode", "migratable='off'")]
    #[case::channel(
        "</devices>",
        "<channel type='dev'><source path='/dev/ttyS1'/></channel></devices>",
        "<channel type='dev'",
        "type='dev'"
    )]
    #[case::graphics(
        "</devices>",
        "<graphics type='vnc'><listen type='address' address='192.0.2.7'/></graphics></devices>",
        "<listen type=",
        "listen at 192.0.2.7"
    )]
    #[case::clock(
        "<devices>",
        "<cpu><feature policy='require' name='invtsc'/></cpu><devices>",
        "<feature policy",
        "invtsc"
    )]
    #[case::cache("cache='none'", "cache='writeback'", "<driver name", "cache='writeback'")]
    #[case::tpm("type='emulator'", "type='passthrough'", "<tpm model", "it is its host's")]
    #[case::encrypted(
        "<devices>",
        "<launchSecurity type='sev'/><devices>",
        "<launchSecurity",
        "its host encrypts"
    )]
    fn what_keeps_a_guest_from_migrating_is_found_with_its_place(
        #[case] old: &str,
        #[case] new: &str,
        #[case] place: &str,
        #[case] what: &str,
    ) {
        let found = found(&DOMAIN.replacen(old, new, 1));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.starts_with(place) && found[0].1.contains(what), "{found:?}");
    }

    #[test]
    fn a_clock_of_a_known_frequency_may_not_change() {
        let clock = "<clock><timer name='tsc' frequency='2000000000'/></clock>\
                     <cpu><feature policy='require' name='invtsc'/></cpu><devices>";
        assert_eq!(found(&DOMAIN.replacen("<devices>", clock, 1)), []);
    }
}
