//! What a catalogue may say, and what it may not.

use std::path::Path;

use rstest::rstest;

use super::*;
use crate::inventory::file::Folders;

/// A folder with a disk, `disk.raw`, that can be booted as far as its first sector shows.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("disk.raw"), testing::bootable()).unwrap();
    std::fs::write(folder.path().join("my.xml"), DOMAIN).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "x".repeat(600)).unwrap();
    folder
}

fn parse_in(folder: &Path, text: &str) -> Result<Catalogue, String> {
    let folders = Folders { file: folder, home: None };
    Catalogue::parse("guests.toml", text, &folders, MasterFiles::Needed).map_err(|error| error.to_string())
}

fn parse(text: &str) -> Result<Catalogue, String> {
    parse_in(folder().path(), text)
}

const DOMAIN: &str = "<domain type='kvm'>
  <name>mine</name>
  <memory unit='GiB'>2</memory>
  <vcpu>3</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file'><target dev='sda' bus='scsi'/></disk>
    <interface type='network'/>
  </devices>
</domain>
";

const SMALL: &str = r#"[[image]]
name = "tiny"
firmware = "kernel"
identity = "kernel"

[[image]]
name = "debian-13"
file = "disk.raw"
firmware = "bios"
identity = "cloud-init"

[[guest]]
image = "tiny"

[[guest]]
image = "debian-13"
count = 2
vcpus = 2
memory_mib = 1024
"#;

#[test]
fn no_password_of_an_inventory_that_is_read_as_a_catalogue_is_shown() {
    let said =
        parse("[[pair]]\nname = 'lab'\n[pair.source]\npassword = \"hunter2\n").unwrap_err().to_string();
    assert!(!said.contains("hunter2"), "{said}");
    assert!(said.contains(":4:") && said.contains("values are not shown"), "{said}");
}

#[test]
fn a_fleet_is_every_guest_in_the_order_of_the_file() {
    let catalogue = parse(SMALL).unwrap();
    let tiny = ListedGuest { image: "tiny".into(), vcpus: None, memory_mib: None };
    let debian = ListedGuest { image: "debian-13".into(), vcpus: Some(2), memory_mib: Some(1024) };
    assert_eq!(catalogue.guests(), [tiny, debian.clone(), debian]);
    let master = catalogue.images[1].master.as_ref().unwrap();
    assert_eq!((master.format, &master.sha256), (DiskFormat::Raw, &None));
    assert_eq!((&*catalogue.images[1].user, catalogue.images[1].arch), ("root", Some(Arch::OF_HOSTS)));
    assert_eq!(catalogue.images[0].master, None);
    assert_eq!(catalogue.masters().len(), 1);
}

#[test]
fn copies_of_guests_take_time_beside_the_masters() {
    let folder = folder();
    std::fs::write(
        folder.path().join("disk.raw"),
        [vec![1; 510], vec![0x55, 0xaa], vec![1; 1 << 20]].concat(),
    )
    .unwrap();
    let of = |text: &str| parse_in(folder.path(), text).unwrap();
    let copied = of(&SMALL.replacen("file =", "disk = \"copy\"\nfile =", 1));
    assert!(copied.bytes_of_masters() >= 1 << 20);
    let seconds = |catalogue: &Catalogue| catalogue.copies_limit().as_secs();
    assert_eq!((seconds(&of(SMALL)), seconds(&copied)), (61, 3 * 61));
}

#[test]
fn a_fixed_port_is_for_one_guest_of_a_domain() {
    let folder = folder();
    let port = "<graphics type='vnc' port='5901'/></devices>";
    std::fs::write(folder.path().join("my.xml"), DOMAIN.replace("</devices>", port)).unwrap();
    std::fs::write(folder.path().join("other.xml"), DOMAIN.replace("</devices>", port)).unwrap();
    let port = port.replace("5901", "5902");
    std::fs::write(folder.path().join("free.xml"), DOMAIN.replace("</devices>", &port)).unwrap();
    let image = |(name, domain): (&str, &str)| {
        format!(
            "[[image]]\nname = '{name}'\nfile = 'disk.raw'\nfirmware = 'bios'\nidentity = 'cloud-init'\ndomain = '{domain}'\n"
        )
    };
    let images =
        [("a", "my.xml"), ("b", "my.xml"), ("c", "other.xml"), ("d", "free.xml")].map(image).concat();
    let with = |guests: &str| parse_in(folder.path(), &format!("{images}{guests}"));
    assert!(with("[[guest]]\nimage = 'a'\n").is_ok());
    assert!(with("[[guest]]\nimage = 'a'\n[[guest]]\nimage = 'd'\n").is_ok());
    let said = with("[[guest]]\nimage = 'a'\n[[guest]]\nimage = 'c'\n").unwrap_err();
    assert!(
        said.contains("other.xml:9") && said.contains("(and those of ") && said.contains("my.xml)"),
        "{said}"
    );
    for two in ["[[guest]]\nimage = 'a'\ncount = 2\n", "[[guest]]\nimage = 'a'\n[[guest]]\nimage = 'b'\n"] {
        let said = with(two).unwrap_err();
        assert!(
            said.contains("`port='5901'`") && said.contains("my.xml:9") && said.contains("allowed: "),
            "{said}"
        );
    }
}

#[test]
fn guests_of_a_domain_of_ones_own_have_its_size() {
    let text =
        SMALL.replace("file =", "domain = \"my.xml\"\nfile =").replace("vcpus = 2\nmemory_mib = 1024\n", "");
    let catalogue = parse(&text).unwrap();
    let own = ListedGuest { image: "debian-13".into(), vcpus: Some(3), memory_mib: Some(2048) };
    assert_eq!(catalogue.guests()[1..], [own.clone(), own]);
    assert_eq!(catalogue.images[1].domain.as_ref().map(|domain| &*domain.text), Some(DOMAIN));
}

#[test]
fn the_example_is_a_catalogue() {
    let folder = folder();
    let disk = folder.path().join("disk.raw");
    let example = include_str!("../../../fixtures/guests.toml");
    for name in ["debian-13.qcow2", "debian-12.qcow2"] {
        std::fs::copy(&disk, folder.path().join(name)).unwrap();
        assert!(example.contains(name));
    }
    let catalogue = parse_in(folder.path(), example).unwrap();
    let mut firmwares: Vec<BootFirmware> = catalogue.images_in_use().map(|image| image.firmware).collect();
    firmwares.sort_unstable();
    firmwares.dedup();
    assert_eq!(firmwares, BootFirmware::ALL);
}

#[test]
fn masters_that_are_elsewhere_have_the_format_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let folders = Folders { file: folder.path(), home: None };
    let example =
        include_str!("../../../fixtures/guests.toml").replacen("debian-12.qcow2", "debian-12.raw", 1);
    let missing = Catalogue::parse("guests.toml", &example, &folders, MasterFiles::Needed).unwrap_err();
    assert!(missing.to_string().contains("debian-13.qcow2 cannot be booted: No such file"), "{missing}");
    let catalogue = Catalogue::parse("guests.toml", &example, &folders, MasterFiles::Elsewhere).unwrap();
    let masters = catalogue.images.iter().filter_map(|image| image.master.as_ref());
    let formats: Vec<DiskFormat> = masters.map(|master| master.format).collect();
    assert_eq!(formats, [DiskFormat::Qcow2, DiskFormat::Raw]);
}

#[rstest]
#[case::no_image("image = \"tiny\"", "image = \"tinny\"", "unknown image", "allowed: `tiny`, `debian-13`")]
#[case::unknown_key("count = 2", "number = 2", "unknown field `number`", "`count`")]
#[case::count("count = 2", "count = 0", "`count` cannot be 0", "a whole number from 1 to 200")]
#[case::together("count = 2", "count = 200", "the catalogue has 201 guests up to here", "200 together")]
#[case::memory("memory_mib = 1024", "memory_mib = 16", "`memory_mib` cannot be 16", "from 64 to 1048576")]
#[case::vcpus("vcpus = 2", "vcpus = 257", "`vcpus` cannot be 257", "from 1 to 256")]
#[case::firmware("\"bios\"", "\"efi\"", "unknown value of `firmware`", "`kernel`, `bios`, `uefi`")]
#[case::identity(
    "\"cloud-init\"",
    "\"cloudinit\"",
    "unknown value of `identity`",
    "did you mean `cloud-init`?"
)]
#[case::ignition(
    "\"cloud-init\"",
    "\"ignition\"",
    "by `ignition` are not supported yet",
    "`kernel`, `cloud-init`"
)]
#[case::ssh("\"cloud-init\"", "\"ssh\"", "by `ssh` are not supported yet", "`kernel`, `cloud-init`")]
#[case::no_loader(
    "\"bios\"",
    "\"kernel\"",
    "boots by `kernel` cannot get its identity by `cloud-init`",
    "`kernel`"
)]
#[case::no_identity(
    "\"cloud-init\"",
    "\"kernel\"",
    "boots by `bios` cannot get its identity",
    "`cloud-init`"
)]
#[case::no_file("file = \"disk.raw\"\n", "", "the image `debian-13` has no file", "`file = \"PATH\"`")]
#[case::missing("disk.raw", "disk.qcow2", "No such file", "a relative one begins at this file")]
#[case::no_disk("disk.raw", "notes.txt", "neither a qcow2 image nor a raw disk", "a qcow2 or raw image")]
#[case::folder("disk.raw", ".", "it is no file", "a qcow2 or raw image")]
#[case::hash("file =", "sha256 = \"12\"\nfile =", "this is no SHA-256", "64 hexadecimal digits")]
#[case::arch("file =", "arch = \"arm64\"\nfile =", "unknown architecture", "`x86_64`, `aarch64`, `ppc64le`")]
#[case::other("file =", "arch = \"aarch64\"\nfile =", "images of aarch64", "not supported yet")]
#[case::user("file =", "user = \"Root!\"\nfile =", "this is no user", "small letters")]
#[case::name("\"debian-13\"", "\"Debian 13\"", "this cannot be the name of an image", "small letters")]
#[case::disk("file =", "disk = \"clone\"\nfile =", "unknown value of `disk`", "`overlay`, `copy`")]
#[case::any_line(
    "identity = \"cloud-init\"",
    "identity = \"cloud-init\"\nkernel_log.allow = [{ pattern = \"\", reason = \"r\" }]",
    "a pattern cannot be empty",
    "any other text"
)]
#[case::no_reason(
    "identity = \"cloud-init\"",
    "identity = \"cloud-init\"\nkernel_log.allow = [{ pattern = \"p\" }]",
    "missing field `reason`",
    ""
)]
#[case::twice("\"debian-13\"", "\"tiny\"", "two images have the name `tiny`", "each name once")]
#[case::sized_twice(
    "file =",
    "domain = \"my.xml\"\nfile =",
    "the size of these guests is said twice: by `vcpus`, and by ",
    "the domain's own `<vcpu>` and `<memory>`"
)]
#[case::no_domain("file =", "domain = \"\"\nfile =", "this is no path", "the path of a domain's XML")]
#[case::domain_of_ours(
    "identity = \"kernel\"",
    "identity = \"kernel\"\ndomain = \"my.xml\"",
    "`domain` does not belong",
    "multivm builds"
)]
#[case::of_ours(
    "identity = \"kernel\"",
    "identity = \"kernel\"\nuser = \"me\"",
    "`user` does not belong",
    "multivm builds"
)]
fn a_mistake_is_shown_with_its_place_and_what_is_allowed(
    #[case] old: &str,
    #[case] new: &str,
    #[case] what: &str,
    #[case] allowed: &str,
) {
    let said = parse(&SMALL.replacen(old, new, 1)).unwrap_err();
    assert!(said.starts_with("error: ") && said.contains(" --> guests.toml:"), "{said}");
    assert!(said.contains(what) && said.contains(allowed), "{said}");
}

#[rstest]
#[case::not_there("none.xml", "cannot read the domain ")]
#[case::no_xml("notes.txt", "notes.txt:1:1")]
fn a_domain_that_cannot_be_used_is_shown_itself(#[case] file: &str, #[case] what: &str) {
    let said = parse(&SMALL.replacen("file =", &format!("domain = \"{file}\"\nfile ="), 1)).unwrap_err();
    assert!(said.contains(what) && said.contains("allowed: a domain's XML"), "{said}");
}

#[test]
fn a_catalogue_without_images_or_guests_is_none() {
    assert!(parse("").unwrap_err().contains("the catalogue has no image"));
    let (image, _) = SMALL.split_once("[[guest]]").unwrap();
    assert!(parse(image).unwrap_err().contains("the catalogue has no guest"));
}

#[test]
fn another_file_than_the_one_that_is_meant_is_found() {
    let folder = folder();
    let found = master::sha256(&folder.path().join("disk.raw")).unwrap();
    let with = |hash: &str| {
        parse_in(folder.path(), &SMALL.replacen("file =", &format!("sha256 = \"{hash}\"\nfile ="), 1))
            .unwrap()
    };
    let cache = folder.path().join("cache");
    with(&found.to_uppercase()).verify(&cache).unwrap();
    let said = with(&"0".repeat(64)).verify(&cache).unwrap_err().to_string();
    assert!(said.contains("disk.raw is not the file") && said.contains(&found), "{said}");
}
