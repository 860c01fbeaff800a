//! A domain's XML as a map from paths to values, without what libvirt draws for each running guest on each host.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};
use serde::{Deserialize, Serialize};

use crate::failure::{Cause, FailureKind};

/// The value at every path of a domain's XML: an attribute's value, or an element's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree(BTreeMap<String, String>);

/// A path with different values in two trees. None stands for an absent path.
#[derive(Debug, PartialEq, Eq)]
pub struct Differing<'a> {
    pub path: &'a str,
    pub before: Option<&'a str>,
    pub after: Option<&'a str>,
}

/// Devices that a guest has only if somebody gave it one. Others may be libvirt's own: controllers, input, audio, a balloon, a watchdog.
const GIVEN: [&str; 15] = [
    "disk",
    "interface",
    "hostdev",
    "filesystem",
    "rng",
    "vsock",
    "shmem",
    "tpm",
    "sound",
    "redirdev",
    "smartcard",
    "memory",
    "lease",
    "crypto",
    "graphics",
];

/// What people say of a guest, which no libvirt adds.
const WORDS: [&str; 3] = ["title", "description", "metadata"];

impl Differing<'_> {
    /// Whether no libvirt writes it down by itself: a whole device that somebody gave the guest or took from it, and no word about one;
    /// or what people say of the guest.
    pub fn is_somebodys(&self) -> bool {
        let first = self.path.split(['/', '[', '@']).next();
        if first.is_some_and(|first| WORDS.contains(&first)) {
            return true;
        }
        let device = self.path.strip_prefix("devices/").filter(|device| !device.contains('/'));
        let kind = device.and_then(|device| device.split('[').next());
        kind.is_some_and(|kind| GIVEN.contains(&kind))
    }
}

/// The value of an element that has neither text nor attributes.
const THERE: &str = "there";

impl Tree {
    /// Reads the XML of an active domain.
    pub fn of_live(xml: &str) -> Result<Tree, Cause> {
        Tree::read(xml, true)
    }

    /// Reads an XML from which a domain can be started.
    pub fn of_inactive(xml: &str) -> Result<Tree, Cause> {
        Tree::read(xml, false)
    }

    fn read(xml: &str, is_live: bool) -> Result<Tree, Cause> {
        let document = Document::parse(xml).map_err(|error| Cause::of(FailureKind::Other, error))?;
        let root = document.root_element();
        let mut reader = TreeReader { own: own_folder(root), is_live, found: BTreeMap::new() };
        reader.element(root, "");
        Ok(Tree(reader.found))
    }

    /// The paths with another value in `later`. An element that only one tree has counts as its own path, without those
    /// inside it.
    pub fn differences<'a>(&'a self, later: &'a Tree) -> Vec<Differing<'a>> {
        let mut paths: Vec<&str> = self.0.keys().chain(later.0.keys()).map(String::as_str).collect();
        paths.sort_unstable();
        paths.dedup();
        let holds = |tree: &'a Tree, path: &str| tree.0.get(path).map(String::as_str);
        let differing =
            paths.iter().map(|path| Differing { path, before: holds(self, path), after: holds(later, path) });
        let differing: Vec<Differing<'a>> = differing.filter(|one| one.before != one.after).collect();
        let gone: Vec<&str> = differing
            .iter()
            .filter(|one| one.before.is_none() || one.after.is_none())
            .map(|one| one.path)
            .collect();
        let is_inside = |path: &str| {
            gone.iter().any(|gone| path.strip_prefix(gone).is_some_and(|rest| rest.starts_with('/')))
        };
        differing.into_iter().filter(|one| !is_inside(one.path)).collect()
    }
}

/// The folder that libvirt makes for a running guest, named by the guest's number on this host: `7-vm1`.
fn own_folder(root: Node<'_, '_>) -> Option<(String, String)> {
    let name = root.children().find(|node| node.has_tag_name("name"))?.text()?;
    let id = root.attribute("id")?;
    Some((format!("{id}-{name}/"), format!("ID-{name}/")))
}

struct TreeReader {
    /// The folder of the guest's files, and what stands for it.
    own: Option<(String, String)>,
    is_live: bool,
    found: BTreeMap<String, String>,
}

impl TreeReader {
    fn element(&mut self, node: Node<'_, '_>, path: &str) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        if !path.is_empty() {
            let text = node.text().map(str::trim).filter(|text| !text.is_empty()).unwrap_or(THERE);
            self.hold(path.to_owned(), text);
        }
        for attribute in node.attributes() {
            if !is_of_the_host(node, attribute.name()) {
                self.hold(below(&format!("@{}", attribute.name())), attribute.value());
            }
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for child in node.children().filter(Node::is_element) {
            if self.is_runtime(child) {
                continue;
            }
            let name = identity(child);
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            let name = if *count > 1 { format!("{name}[{count}]") } else { name };
            self.element(child, &below(&name));
        }
    }

    fn hold(&mut self, path: String, value: &str) {
        let value = match &self.own {
            Some((own, instead)) => value.replace(own, instead),
            None => value.to_owned(),
        };
        self.found.insert(path, value);
    }

    /// Whether libvirt makes this element anew wherever the guest runs.
    fn is_runtime(&self, node: Node<'_, '_>) -> bool {
        match node.tag_name().name() {
            // A user's own alias begins with ua-; libvirt assigns all others at the start.
            "alias" => !node.attribute("name").is_some_and(|name| name.starts_with("ua-")),
            // A label that the host's security driver draws for this run.
            "seclabel" => self.is_live && node.attribute("type") == Some("dynamic"),
            // A tap that the host names, and nothing beside.
            "target" => {
                parent_is(node, "interface")
                    && node.attributes().all(|attribute| is_of_the_host(node, attribute.name()))
            }
            _ => false,
        }
    }
}

/// The names of taps that libvirt draws itself, and drops from a definition that has them.
const DRAWN_TAPS: [&str; 5] = ["vnet", "vif", "macvtap", "macvlan", "tap"];

/// Whether an attribute says how this host runs the guest, and not what the guest is: libvirt's formatdomain page documents
/// each such attribute as assigned at start, or as seen in live XML only. Device addresses do not belong here: the guest
/// sees them, and its drivers lose a device whose address changes.
fn is_of_the_host(node: Node<'_, '_>, attribute: &str) -> bool {
    let element = node.tag_name().name();
    let parent = node.parent_element();
    let parent_has =
        |name: &str, value: &str| parent.is_some_and(|parent| parent.attribute(name) == Some(value));
    match (element, attribute) {
        ("domain", "id") => true,
        // A pseudo terminal's name.
        ("source", "path") => parent_has("type", "pty"),
        ("console", "tty") => true,
        // Ports of displays.
        ("graphics", "port" | "tlsPort" | "websocket") => node.attribute("autoport") == Some("yes"),
        ("listen", "address") => node.attribute("type") == Some("network"),
        // Taps, and ports of virtual networks.
        ("target", "dev") => {
            parent_is(node, "interface")
                && node
                    .attribute("dev")
                    .is_some_and(|name| DRAWN_TAPS.iter().any(|drawn| name.starts_with(drawn)))
        }
        ("source", "portid") => true,
        ("source", "bridge" | "dev" | "mode") => {
            parent_is(node, "interface") && parent_has("type", "network")
        }
        // Whether something in the guest has opened a channel.
        ("target", "state") => parent_is(node, "channel"),
        // Numbers of block nodes.
        ("source" | "backingStore" | "mirror", "index") => true,
        _ => false,
    }
}

fn parent_is(node: Node<'_, '_>, name: &str) -> bool {
    node.parent_element().is_some_and(|parent| parent.has_tag_name(name))
}

/// A name for an element among its neighbours. Devices are named by what tells them apart, so that an additional device does
/// not rename all that follow.
fn identity(node: Node<'_, '_>) -> String {
    let name = node.tag_name().name();
    let of_child = |child: &str, attribute: &str| {
        let child = node.children().find(|node| node.has_tag_name(child))?;
        Some(format!("{child}={value}", child = child.tag_name().name(), value = child.attribute(attribute)?))
    };
    let known = match name {
        "disk" => of_child("target", "dev"),
        "interface" => of_child("mac", "address"),
        "controller" => node.attribute("type").map(|kind| {
            format!("{kind} {}", node.attribute("index").unwrap_or_default()).trim_end().to_owned()
        }),
        _ => node.tag_name().namespace().map(str::to_owned),
    };
    known.map_or(name.to_owned(), |known| format!("{name}[{known}]"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn domain(id: u32, devices: &str) -> Tree {
        let xml =
            format!("<domain type='kvm' id='{id}'><name>vm1</name><devices>{devices}</devices></domain>");
        Tree::of_live(&xml).unwrap()
    }

    #[rstest]
    #[case::alias("<disk><alias name='virtio-disk0'/></disk>", "<disk><alias name='virtio-disk1'/></disk>")]
    #[case::pty(
        "<console type='pty' tty='/dev/pts/1'><source path='/dev/pts/1'/></console>",
        "<console type='pty' tty='/dev/pts/4'><source path='/dev/pts/4'/></console>"
    )]
    #[case::port(
        "<graphics type='vnc' port='5900' autoport='yes'/>",
        "<graphics type='vnc' port='5907' autoport='yes'/>"
    )]
    #[case::tap(
        "<interface type='bridge'><target dev='vnet0'/></interface>",
        "<interface type='bridge'><target dev='vnet12'/></interface>"
    )]
    #[case::network_port(
        "<interface type='network'><source network='default' portid='a' bridge='virbr0'/></interface>",
        "<interface type='network'><source network='default' portid='b' bridge='virbr1'/></interface>"
    )]
    #[case::channel(
        "<channel type='unix'><source mode='bind' path='/run/libvirt/qemu/channel/1-vm1/agent.0'/><target name='agent.0' state='connected'/></channel>",
        "<channel type='unix'><source mode='bind' path='/run/libvirt/qemu/channel/2-vm1/agent.0'/><target name='agent.0' state='disconnected'/></channel>"
    )]
    #[case::block_node(
        "<disk><source file='/a' index='1'/></disk>",
        "<disk><source file='/a' index='3'/></disk>"
    )]
    #[case::label(
        "<seclabel type='dynamic' model='dac' relabel='yes'><label>+107:+107</label></seclabel>",
        "<seclabel type='dynamic' model='dac' relabel='yes'><label>+64055:+64055</label></seclabel>"
    )]
    fn what_a_host_gives_a_running_guest_is_not_compared(#[case] here: &str, #[case] there: &str) {
        assert_eq!(domain(1, here).differences(&domain(2, there)), []);
    }

    #[rstest]
    #[case::own_alias(
        "<disk><alias name='ua-root'/></disk>",
        "<disk><alias name='ua-data'/></disk>",
        "devices/disk/alias/@name"
    )]
    #[case::console_file(
        "<serial type='file'><source path='/var/log/a'/></serial>",
        "<serial type='file'><source path='/var/log/b'/></serial>",
        "devices/serial/source/@path"
    )]
    #[case::asked_port(
        "<graphics port='5901' autoport='no'/>",
        "<graphics port='5902' autoport='no'/>",
        "devices/graphics/@port"
    )]
    #[case::own_tap(
        "<interface><target dev='mine0'/></interface>",
        "<interface><target dev='mine1'/></interface>",
        "devices/interface/target/@dev"
    )]
    #[case::address(
        "<disk><address type='pci' slot='0x04'/></disk>",
        "<disk><address type='pci' slot='0x05'/></disk>",
        "devices/disk/address/@slot"
    )]
    #[case::image(
        "<disk><source file='/a' index='1'/><target dev='vda'/></disk>",
        "<disk><source file='/b' index='1'/><target dev='vda'/></disk>",
        "devices/disk[target=vda]/source/@file"
    )]
    #[case::static_label(
        "<seclabel type='static' model='dac'><label>a</label></seclabel>",
        "<seclabel type='static' model='dac'><label>b</label></seclabel>",
        "devices/seclabel/label"
    )]
    fn what_the_guest_is_made_of_is(#[case] here: &str, #[case] there: &str, #[case] path: &str) {
        let (here, there) = (domain(1, here), domain(1, there));
        let paths: Vec<&str> = here.differences(&there).iter().map(|one| one.path).collect();
        assert_eq!(paths, [path]);
    }

    #[test]
    fn one_device_more_is_one_difference() {
        let disk =
            |name: &str| format!("<disk type='file'><source file='/{name}'/><target dev='{name}'/></disk>");
        let (one, two) = (domain(1, &disk("vdb")), domain(1, &(disk("vda") + &disk("vdb"))));
        let path = "devices/disk[target=vda]";
        assert_eq!(one.differences(&two), [Differing { path, before: None, after: Some(THERE) }]);
        assert_eq!(two.differences(&one), [Differing { path, before: Some(THERE), after: None }]);
    }

    #[test]
    fn neighbours_that_nothing_tells_apart_are_counted() {
        let rng = |path: &str| format!("<rng><backend model='random'>{path}</backend></rng>");
        let (one, other) = (rng("/a") + &rng("/b"), rng("/a") + &rng("/c"));
        let (one, other) = (domain(1, &one), domain(1, &other));
        assert_eq!(one.differences(&other)[0].path, "devices/rng[2]/backend");
    }

    #[test]
    fn metadata_is_told_apart_by_its_namespace() {
        let metadata = |more: &str| {
            let xml =
                format!("<domain><metadata><m:owner xmlns:m='urn:m' run='a'/>{more}</metadata></domain>");
            Tree::of_inactive(&xml).unwrap()
        };
        let (one, two) = (metadata(""), metadata("<x:owner xmlns:x='urn:x' run='b'/>"));
        assert_eq!(one.differences(&two)[0].path, "metadata/owner[urn:x]");
    }

    #[test]
    fn what_is_no_xml_is_said_to_be_none() {
        assert!(Tree::of_live("<domain").is_err());
    }
}
