//! A user's own domain XML, from which the domains of an image's guests are made.

use std::ops::Range;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use super::BootFirmware;
use super::blockers::{self, Blocker, devices, main_disk};
use crate::failure::InputError;
use crate::failure::input::InputFile;

/// A domain of libvirt's as its user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainTemplate {
    pub path: PathBuf,
    pub text: String,
    /// The size of each guest, which the domain has.
    pub vcpus: u32,
    pub memory_mib: u32,
}

/// libvirt's units of memory, in bytes.
const UNITS: [(&[&str], u64); 9] = [
    (&["b", "bytes"], 1),
    (&["KB"], 1000),
    (&["k", "KiB"], 1 << 10),
    (&["MB"], 1_000_000),
    (&["M", "MiB"], 1 << 20),
    (&["GB"], 1_000_000_000),
    (&["G", "GiB"], 1 << 30),
    (&["TB"], 1_000_000_000_000),
    (&["T", "TiB"], 1 << 40),
];

impl DomainTemplate {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, is no domain that guests can be made of, or one that cannot migrate. The message has every place and what is
    /// allowed there.
    pub(super) fn load(path: &Path, firmware: BootFirmware) -> Result<DomainTemplate, InputError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let help = "allowed: a domain's XML, as `virsh dumpxml --inactive` prints it".to_owned();
            InputError::new(&format!("cannot read the domain {name}: {error}"), &[help])
        })?;
        let (vcpus, memory_mib) = size(InputFile { name: &name, text: &text }, firmware)?;
        Ok(DomainTemplate { path: path.to_owned(), text, vcpus, memory_mib })
    }

    /// Makes sure that several guests can have this domain.
    ///
    /// # Errors
    ///
    /// It has something that one guest alone can have on a host. The message has every place and what is allowed there.
    pub(super) fn is_for_several(&self) -> Result<(), InputError> {
        self.without(self.alone())
    }

    /// Makes sure that a guest of this domain can be beside one of another domain.
    ///
    /// # Errors
    ///
    /// Both have the same thing that one guest alone can have on a host. The message has every place and what is allowed there.
    pub(super) fn is_for_guests_beside(&self, other: &DomainTemplate) -> Result<(), InputError> {
        let others = other.alone();
        let mut shared = self.alone();
        shared.retain(|blocker| others.iter().any(|theirs| theirs.what == blocker.what));
        for blocker in &mut shared {
            blocker.what += &format!(" (and those of {})", other.path.display());
        }
        self.without(shared)
    }

    /// What one guest alone can have on a host.
    fn alone(&self) -> Vec<Blocker> {
        // It was parsed when it was read.
        Document::parse(&self.text)
            .map_or_else(|_| Vec::new(), |document| blockers::of_several(document.root_element()))
    }

    fn without(&self, blockers: Vec<Blocker>) -> Result<(), InputError> {
        let name = self.path.display().to_string();
        let source = InputFile { name: &name, text: &self.text };
        if blockers.is_empty() { Ok(()) } else { Err(told(source, blockers)) }
    }
}

/// Checks a domain, and returns its virtual CPUs and its memory in MiB.
fn size(source: InputFile<'_>, firmware: BootFirmware) -> Result<(u32, u32), InputError> {
    let wrong = |place: Range<usize>, what: &str, allowed: &str| {
        source.error(place, what, "", &[format!("allowed: {allowed}")])
    };
    let document = Document::parse(source.text).map_err(|error| {
        let position = error.pos();
        let before: usize = source
            .text
            .split_inclusive('\n')
            .take(position.row.saturating_sub(1) as usize)
            .map(str::len)
            .sum();
        wrong(before..before, &format!("this is no XML: {error}"), "a domain's XML")
    })?;
    let domain = document.root_element();
    // The whole element would be shown, which is the whole file.
    let begin = domain.range().start..domain.range().start + 1 + domain.tag_name().name().len();
    if !domain.has_tag_name("domain") {
        let what = format!("this is a `<{}>`, and no domain", domain.tag_name().name());
        return Err(wrong(begin, &what, "`<domain>`, as `virsh dumpxml --inactive` prints it"));
    }
    let child = |name: &str| domain.children().find(|node| node.has_tag_name(name));
    let needed = |name: &'static str| {
        child(name).ok_or_else(|| {
            wrong(begin.clone(), &format!("the domain has no `<{name}>`"), &format!("`<{name}>`"))
        })
    };
    let (vcpu, memory) = (needed("vcpu")?, needed("memory")?);
    for name in ["name", "os", "devices"] {
        needed(name)?;
    }
    let disk = main_disk(domain).filter(|disk| disk.children().any(|node| node.has_tag_name("target")));
    if disk.is_none() {
        let allowed = "one `<disk>` with a `<target>`: it becomes the guest's image";
        return Err(wrong(begin, "the domain has no disk that a guest can write to", allowed));
    }
    if devices(domain, "interface").next().is_none() {
        let allowed = "one `<interface>`: it becomes the card in the guests' network";
        return Err(wrong(begin, "the domain has no network card", allowed));
    }
    let blockers = blockers::all(domain);
    if !blockers.is_empty() {
        return Err(told(source, blockers));
    }
    boots_by(firmware, domain).map_or(Ok(()), |(node, what)| {
        Err(wrong(
            line_of(source.text, node.range()),
            &what,
            "the catalogue's `firmware` and the domain's alike",
        ))
    })?;
    let text = |node: Node<'_, '_>| node.text().unwrap_or_default().trim().to_owned();
    let vcpus = text(vcpu).parse().ok().filter(|vcpus| (1..=256).contains(vcpus));
    let vcpus = vcpus.ok_or_else(|| {
        wrong(vcpu.range(), "this is no number of virtual CPUs", "a whole number from 1 to 256")
    })?;
    let memory_mib = mib(memory.attribute("unit").unwrap_or("KiB"), &text(memory));
    let memory_mib = memory_mib.filter(|mib| (64..=1 << 20).contains(mib)).ok_or_else(|| {
        wrong(
            memory.range(),
            "this is no memory of a guest",
            "whole MiB, from 64 MiB to 1 TiB, in a unit of libvirt's",
        )
    })?;
    Ok((vcpus, memory_mib))
}

/// All blockers, each with its line and what is allowed there.
fn told(source: InputFile<'_>, blockers: Vec<Blocker>) -> InputError {
    InputError::all(blockers.into_iter().map(|one| {
        let place = line_of(source.text, one.place);
        source.error(place, &one.what, "", &[format!("allowed: {}", one.allowed)])
    }))
}

/// The element by which a domain boots otherwise than its image; none if it does not.
fn boots_by<'a, 'i>(firmware: BootFirmware, domain: Node<'a, 'i>) -> Option<(Node<'a, 'i>, String)> {
    let os = domain.children().find(|node| node.has_tag_name("os"))?;
    let direct = os
        .children()
        .find(|node| ["kernel", "initrd", "cmdline"].iter().any(|name| node.has_tag_name(*name)));
    if let Some(direct) = direct {
        let what = format!(
            "the image boots by `{}`, and the domain's `<{}>` is for another kernel",
            name_of(firmware),
            direct.tag_name().name()
        );
        return Some((direct, what));
    }
    let loader =
        os.children().find(|node| node.has_tag_name("loader") && node.attribute("type") == Some("pflash"));
    let by_uefi = loader.or_else(|| (os.attribute("firmware") == Some("efi")).then_some(os));
    by_uefi
        .filter(|_| firmware != BootFirmware::Uefi)
        .map(|node| (node, format!("the domain boots by `uefi`, and the image by `{}`", name_of(firmware))))
}

fn name_of(firmware: BootFirmware) -> &'static str {
    crate::axis::AxisValue::name(firmware)
}

/// A part of a text up to the end of its first line.
fn line_of(text: &str, place: Range<usize>) -> Range<usize> {
    let end = text[place.clone()].find('\n').map_or(place.end, |length| place.start + length);
    place.start..end
}

/// An amount of memory in whole MiB; none if it is none.
fn mib(unit: &str, amount: &str) -> Option<u32> {
    let (_, factor) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
    let bytes = amount.parse::<u64>().ok()?.checked_mul(*factor)?;
    bytes.is_multiple_of(1 << 20).then(|| u32::try_from(bytes >> 20).ok())?
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DOMAIN: &str = "<domain type='kvm'>
  <name>mine</name>
  <memory unit='GiB'>2</memory>
  <vcpu placement='static'>3</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <target dev='sda' bus='scsi'/>
    </disk>
    <interface type='network'><source network='default'/></interface>
  </devices>
</domain>
";

    fn of(text: &str, firmware: BootFirmware) -> Result<(u32, u32), String> {
        size(InputFile { name: "my.xml", text }, firmware).map_err(|error| error.to_string())
    }

    #[test]
    fn a_domain_has_the_size_of_its_guests() {
        assert_eq!(of(DOMAIN, BootFirmware::Bios), Ok((3, 2048)));
        let in_kib = DOMAIN.replace("<memory unit='GiB'>2<", "<memory>1048576<");
        assert_eq!(of(&in_kib, BootFirmware::Uefi), Ok((3, 1024)));
    }

    #[rstest]
    #[case::no_xml("</devices>", "", "this is no XML", "my.xml:13")]
    #[case::no_domain("domain", "network", "this is a `<network>`", "my.xml:1:1")]
    #[case::no_name("<name>mine</name>", "", "the domain has no `<name>`", "my.xml:1:1")]
    #[case::no_disk(
        "<target dev='sda' bus='scsi'/>",
        "<readonly/>",
        "no disk that a guest can write to",
        "my.xml:1:1"
    )]
    #[case::no_card(
        "<interface type='network'><source network='default'/></interface>",
        "",
        "no network card",
        "my.xml:1:1"
    )]
    #[case::memory("'GiB'>2<", "'GiB'>two<", "this is no memory of a guest", "my.xml:3:3")]
    #[case::vcpus(">3<", ">0<", "this is no number of virtual CPUs", "my.xml:4:3")]
    #[case::kernel("<os>", "<os><kernel>/boot/vmlinuz</kernel>", "is for another kernel", "my.xml:5:7")]
    #[case::efi(
        "<os>",
        "<os firmware='efi'>",
        "the domain boots by `uefi`, and the image by `bios`",
        "my.xml:5:3"
    )]
    #[case::cache("type='qcow2'", "type='qcow2' cache='writeback'", "unsafe", "my.xml:8:7")]
    fn a_domain_that_is_none_for_guests_is_refused_with_its_line(
        #[case] old: &str,
        #[case] new: &str,
        #[case] what: &str,
        #[case] place: &str,
    ) {
        let said = of(&DOMAIN.replace(old, new), BootFirmware::Bios).unwrap_err();
        assert!(said.contains(what) && said.contains(place) && said.contains("allowed: "), "{said}");
    }

    #[test]
    fn every_blocker_is_said_with_its_line() {
        let two = "<hostdev mode='subsystem' type='pci'/>\n<filesystem type='mount'/></devices>";
        let said = of(&DOMAIN.replace("</devices>", two), BootFirmware::Bios).unwrap_err();
        assert!(said.contains("`<hostdev>`") && said.contains("my.xml:12"), "{said}");
        assert!(said.contains("`<filesystem>`") && said.contains("my.xml:13:1"), "{said}");
    }
}
