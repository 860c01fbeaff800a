//! A guest's domain out of a user's own: only what must be the guest's alone is replaced, and the rest stays as the user wrote it.

use std::ops::Range;

use roxmltree::{Document, Node};

use crate::failure::{Cause, FailureKind};
use crate::inventory::catalogue::{devices, main_disk};
use crate::libvirt::MARK_NAMESPACE;

/// Children of a disk that say where its data is.
const OF_DATA: [&str; 5] = ["driver", "source", "backingStore", "auth", "mirror"];

/// Children of a network card that say where it is plugged in.
const OF_PLUG: [&str; 5] = ["source", "mac", "target", "mtu", "virtualport"];

/// Children of `<os>` that name firmware.
const OF_FIRMWARE: [&str; 3] = ["loader", "nvram", "firmware"];

/// The user's domain with the name, UUID, mark, disk, seed, network card's plug, console and UEFI firmware of `ours`, the domain that
/// multivm would give the same guest.
pub fn graft(users: &str, ours: &str) -> Result<String, Cause> {
    let parsed = |text| Document::parse(text).map_err(|error| Cause::of(FailureKind::Other, error));
    let (user, our) = (parsed(users)?, parsed(ours)?);
    let mut edits = Edits { user: users, our: ours, list: Vec::new() };
    let (user, our) = (user.root_element(), our.root_element());
    edits.identity(user, our)?;
    edits.firmware(user, our)?;
    edits.disks(user, our)?;
    edits.card(user, our)?;
    edits.console(user, our)?;
    Ok(edits.applied())
}

/// Changes of the user's text.
struct Edits<'a> {
    user: &'a str,
    our: &'a str,
    list: Vec<(Range<usize>, String)>,
}

impl Edits<'_> {
    fn identity(&mut self, user: Node<'_, '_>, our: Node<'_, '_>) -> Result<(), Cause> {
        let name = needed(user, "name")?;
        self.replace(name.range(), self.of_ours(needed(our, "name")?));
        let uuid = self.of_ours(needed(our, "uuid")?);
        match child(user, "uuid") {
            Some(old) => self.replace(old.range(), uuid),
            None => self.insert(name.range().end, uuid),
        }
        let metadata = needed(our, "metadata")?;
        match child(user, "metadata") {
            Some(old) if old.has_children() => {
                // An earlier run's mark, in a domain that was dumped from a guest of multivm's.
                let stale = old.children().filter(|node| node.tag_name().namespace() == Some(MARK_NAMESPACE));
                stale.for_each(|mark| self.replace(mark.range(), String::new()));
                let mark = metadata.first_element_child().map_or_else(String::new, |mark| self.of_ours(mark));
                self.insert(self.end_of_content(old), mark);
            }
            Some(old) => self.replace(old.range(), self.of_ours(metadata)),
            None => self.insert(name.range().end, self.of_ours(metadata)),
        }
        Ok(())
    }

    /// Takes our firmware where the guest boots by UEFI: its files are at our path, and its variables are a file of the guest's own.
    fn firmware(&mut self, user: Node<'_, '_>, our: Node<'_, '_>) -> Result<(), Cause> {
        let ours: Vec<String> =
            children(needed(our, "os")?, &OF_FIRMWARE[..2]).map(|node| self.of_ours(node)).collect();
        if ours.is_empty() {
            return Ok(());
        }
        let os = needed(user, "os")?;
        if let Some(chosen) = os.attribute_node("firmware") {
            self.replace(chosen.range(), String::new());
        }
        children(os, &OF_FIRMWARE).for_each(|old| self.replace(old.range(), String::new()));
        self.insert(needed(os, "type")?.range().end, ours.concat());
        Ok(())
    }

    fn disks(&mut self, user: Node<'_, '_>, our: Node<'_, '_>) -> Result<(), Cause> {
        let disk = main_disk(user).ok_or("it has no disk")?;
        let mut of_ours = devices(our, "disk");
        let image = of_ours.next().ok_or("a guest of multivm's has no disk")?;
        let direct =
            children(disk, &["driver"]).any(|driver| driver.attribute("cache") == Some("directsync"));
        let data: String = children(image, &OF_DATA).map(|node| self.of_ours(node)).collect();
        let data = if direct { data.replacen("cache='none'", "cache='directsync'", 1) } else { data };
        self.of_type(disk, image);
        children(disk, &OF_DATA).for_each(|old| self.replace(old.range(), String::new()));
        self.insert(needed(disk, "target")?.range().start, data);
        if let Some(seed) = of_ours.next() {
            let target = needed(seed, "target")?;
            let name = target.attribute("dev").unwrap_or_default();
            let seed = self.of_ours(seed).replacen(
                &format!("dev='{name}'"),
                &format!("dev='{}'", free_name(user)),
                1,
            );
            self.insert(disk.range().end, seed);
        }
        Ok(())
    }

    fn card(&mut self, user: Node<'_, '_>, our: Node<'_, '_>) -> Result<(), Cause> {
        let card = devices(user, "interface").next().ok_or("it has no network card")?;
        let plug = devices(our, "interface").next().ok_or("a guest of multivm's has no network card")?;
        let parts: String = children(plug, &OF_PLUG).map(|node| self.of_ours(node)).collect();
        self.of_type(card, plug);
        children(card, &OF_PLUG).for_each(|old| self.replace(old.range(), String::new()));
        if card.has_children() {
            self.insert(self.end_of_content(card), parts);
        } else {
            // There is no end tag to insert it before.
            let model = "<model type='virtio'/>";
            self.list.retain(|(place, _)| !card.range().contains(&place.start));
            self.replace(card.range(), format!("<interface type='bridge'>{parts}{model}</interface>"));
        }
        Ok(())
    }

    fn console(&mut self, user: Node<'_, '_>, our: Node<'_, '_>) -> Result<(), Cause> {
        for kind in ["serial", "console"] {
            devices(user, kind).for_each(|old| self.replace(old.range(), String::new()));
        }
        let console = devices(our, "serial").next().ok_or("a guest of multivm's has no console")?;
        let console = self.of_ours(console);
        self.insert(self.end_of_content(needed(user, "devices")?), console);
        Ok(())
    }

    /// Gives an element of the user's the `type` of ours.
    fn of_type(&mut self, user: Node<'_, '_>, our: Node<'_, '_>) {
        let kind = our.attribute("type").unwrap_or_default();
        match user.attribute_node("type") {
            Some(old) => self.replace(old.range(), format!("type='{kind}'")),
            None => {
                let after = user.range().start + 1 + user.tag_name().name().len();
                self.insert(after, format!(" type='{kind}'"));
            }
        }
    }

    fn of_ours(&self, node: Node<'_, '_>) -> String {
        self.our[node.range()].to_owned()
    }

    /// Where the end tag of an element of the user's begins.
    fn end_of_content(&self, node: Node<'_, '_>) -> usize {
        let range = node.range();
        range.start + self.user[range.clone()].rfind("</").unwrap_or(range.len())
    }

    fn replace(&mut self, place: Range<usize>, with: String) {
        self.list.push((place, with));
    }

    fn insert(&mut self, at: usize, text: String) {
        self.list.push((at..at, text));
    }

    /// The user's text with all changes. What is inserted at the end of what is removed follows it.
    fn applied(mut self) -> String {
        self.list.sort_by_key(|(place, _)| (place.start, place.end));
        let (mut text, mut from) = (String::new(), 0);
        for (place, with) in self.list {
            text.push_str(&self.user[from..place.start]);
            text.push_str(&with);
            from = place.end;
        }
        text.push_str(&self.user[from..]);
        text
    }
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn needed<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Result<Node<'a, 'i>, Cause> {
    child(node, name).ok_or_else(|| format!("`<{}>` has no `<{name}>`", node.tag_name().name()).into())
}

fn children<'a, 'i: 'a>(node: Node<'a, 'i>, names: &[&str]) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| names.iter().any(|name| child.has_tag_name(*name)))
}

/// A name that no disk of a domain has.
fn free_name(domain: Node<'_, '_>) -> String {
    let taken: Vec<&str> =
        devices(domain, "disk").filter_map(|disk| child(disk, "target")?.attribute("dev")).collect();
    let names = ('b'..='z').map(|letter| format!("vd{letter}"));
    names.into_iter().find(|name| !taken.contains(&name.as_str())).unwrap_or_else(|| "vdzz".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "<domain type='qemu'>
  <name>vm2-own</name>
  <uuid>0d0e1c1f-5c3e-4b5e-9d43-7c1f2a3b4c5d</uuid>
  <metadata><multivm:owner xmlns:multivm=\"NS\" run=\"a\" profile=\"p\"/></metadata>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' type='pflash'>/CODE.fd</loader>
    <nvram template='/VARS.fd'>/vm2_VARS.fd</nvram>
  </os>
  <devices>
    <disk type='network' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source protocol='nfs' name='/export/vm2.qcow2'><host name='10.0.0.1'/></source>
      <backingStore type='network'><format type='raw'/><source protocol='nfs' name='/export/b.raw'/></backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='none'/><source protocol='nfs' name='/export/vm2-seed.iso'/>
      <target dev='vdb' bus='virtio'/><readonly/>
    </disk>
    <interface type='bridge'><source bridge='br0'/><mac address='52:54:00:00:00:02'/><model type='virtio'/></interface>
    <serial type='file'><source path='/vm2.log' append='on'/></serial>
  </devices>
</domain>";

    fn ours() -> String {
        OURS.replace("\"NS\"", &format!("\"{MARK_NAMESPACE}\""))
    }

    const USERS: &str = "<domain type='kvm' id='7'>
  <!-- mine -->
  <name>mine</name>
  <memory unit='GiB'>2</memory>
  <vcpu>3</vcpu>
  <os firmware='efi'>
    <type arch='x86_64' machine='pc-q35-9.1'>hvm</type>
    <nvram>/mine_VARS.fd</nvram>
  </os>
  <cpu mode='custom'><model>EPYC</model></cpu>
  <devices>
    <disk device='disk'>
      <driver name='qemu' type='raw' cache='directsync' io='native'/>
      <source file='/mine.raw'/>
      <target dev='sda' bus='scsi'/>
      <serial>S3CRET</serial>
    </disk>
    <disk type='file' device='cdrom'><target dev='vdb' bus='sata'/><readonly/></disk>
    <interface type='network'><mac address='52:54:00:11:11:11'/><source network='default'/><model type='e1000e'/></interface>
    <serial type='pty'><target type='isa-serial' port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <video><model type='vga'/></video>
  </devices>
</domain>";

    /// The attribute of an element, by a path of names and places.
    fn attribute(text: &str, parent: &str, name: &str, attribute: &str) -> Vec<String> {
        let document = Document::parse(text).unwrap();
        let is = |node: &Node<'_, '_>| {
            node.has_tag_name(name) && node.parent().is_some_and(|above| above.has_tag_name(parent))
        };
        let found = document.descendants().filter(is).filter_map(|node| node.attribute(attribute));
        found.map(str::to_owned).collect()
    }

    #[test]
    fn only_what_is_a_guests_own_is_replaced() {
        let text = graft(USERS, &ours()).unwrap();
        for kept in [
            "<!-- mine -->",
            "<domain type='kvm' id='7'>",
            "<memory unit='GiB'>2</memory>",
            "machine='pc-q35-9.1'",
            "<model>EPYC</model>",
            "<target dev='sda' bus='scsi'/>",
            "<serial>S3CRET</serial>",
            "<model type='e1000e'/>",
            "<model type='vga'/>",
        ] {
            assert!(text.contains(kept), "{kept} is not in {text}");
        }
        for gone in
            ["<name>mine", "mine_VARS", "mine.raw", "11:11:11", "default", "pty", "firmware=", "io='native'"]
        {
            assert!(!text.contains(gone), "{gone} is in {text}");
        }
        assert!(text.contains("<name>vm2-own</name>") && text.contains("<uuid>0d0e1c1f-"), "{text}");
        let sources = attribute(&text, "disk", "source", "name");
        assert_eq!(sources, ["/export/vm2.qcow2", "/export/vm2-seed.iso"]);
        assert_eq!(attribute(&text, "disk", "driver", "cache"), ["directsync", "none"]);
        assert_eq!(attribute(&text, "disk", "target", "dev"), ["sda", "vdc", "vdb"]);
        assert_eq!(attribute(&text, "devices", "disk", "type"), ["network", "network", "file"]);
        assert_eq!(attribute(&text, "interface", "source", "bridge"), ["br0"]);
        assert_eq!(attribute(&text, "devices", "interface", "type"), ["bridge"]);
        assert_eq!(attribute(&text, "serial", "source", "path"), ["/vm2.log"]);
        assert!(text.contains("/CODE.fd</loader>") && text.contains("/vm2_VARS.fd</nvram>"), "{text}");
    }

    #[test]
    fn the_mark_stands_beside_the_users_own_metadata() {
        let own = "<name>mine</name><metadata><app:x xmlns:app='urn:x'/><m:owner xmlns:m='NS' run='old' profile='p'/></metadata>";
        let own = own.replace("NS", MARK_NAMESPACE);
        let text = graft(&USERS.replacen("<name>mine</name>", &own, 1), &ours()).unwrap();
        assert!(text.contains("<app:x xmlns:app='urn:x'/>") && !text.contains("old"), "{text}");
        let document = Document::parse(&text).unwrap();
        let marks = document.descendants().filter(|node| node.tag_name().namespace() == Some(MARK_NAMESPACE));
        assert_eq!(marks.count(), 1);
        let empty = USERS.replacen("<name>mine</name>", "<name>mine</name><uuid>1</uuid><metadata/>", 1);
        let text = graft(&empty, &ours()).unwrap();
        assert!(text.contains("run=\"a\"") && !text.contains("<uuid>1<"), "{text}");
    }

    #[test]
    fn a_card_without_children_gets_all_of_ours() {
        let bare = "<interface type='user'/>";
        let begin = USERS.find("<interface").unwrap();
        let end = USERS.find("</interface>").unwrap() + "</interface>".len();
        let text = graft(&format!("{}{bare}{}", &USERS[..begin], &USERS[end..]), &ours()).unwrap();
        assert_eq!(attribute(&text, "interface", "mac", "address"), ["52:54:00:00:00:02"]);
        assert_eq!(attribute(&text, "interface", "model", "type"), ["virtio"]);
    }
}
