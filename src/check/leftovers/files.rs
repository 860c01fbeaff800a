//! Which files count, and which have grown.

use std::collections::BTreeMap;

use super::domain_number::without_number;
use crate::remote::protocol::Traces;

/// Folders in which libvirt and QEMU keep their settings, the files of guests and what libvirt's clients define, without logs and caches.
pub const FOLDERS: [&str; 7] = [
    "/etc/libvirt",
    "/etc/qemu",
    "/run/libvirt",
    "/var/lib/libvirt",
    "/run/qemu",
    "/var/lib/qemu",
    "/dev/hugepages/libvirt",
];

/// Where programs of all kinds keep files, beside the memory that they share: looked at where nobody else has programs.
pub const FOLDERS_OF_EVERYBODY: [&str; 6] = ["/dev/shm", "/tmp", "/var/tmp", "/root", "/run", LOGS];

/// Where libvirt has a log of every guest that was ever started. They grow with every migration.
const LOGS: &str = "/var/log/libvirt";

/// Where people put what libvirt is to run with every start, under these names, or in a folder of such a name and `.d`
/// (docs/hooks.html of libvirt).
const HOOKS: &str = "/etc/libvirt/hooks/";
const HOOK_NAMES: [&str; 5] = ["daemon", "qemu", "lxc", "libxl", "network"];

/// Beginning of the folder of our program, in which a load has its log.
const OUR_OWN: &str = "/run/multivm-";

/// Ends of the folders that libvirt's daemons make for themselves, when something is first to lie there.
const MADE_ON_DEMAND: [&str; 5] = ["/autostart/", "/networks/", "/snapshot/", "/checkpoint/", "/save/"];

/// Whether a file or folder counts. Folders do where libvirt and QEMU have theirs; elsewhere a login or a program may make
/// some.
pub fn counts_as_file(path: &str) -> bool {
    !path.starts_with(OUR_OWN)
        && !is_hook(path)
        && !is_log(path)
        && !MADE_ON_DEMAND.iter().any(|end| path.ends_with(end))
        && (!path.ends_with('/') || FOLDERS.iter().any(|folder| path.starts_with(&format!("{folder}/"))))
}

/// Whether a file is a hook or the folder of hooks, and not what one has left beside itself.
fn is_hook(path: &str) -> bool {
    let first = path.strip_prefix(HOOKS).and_then(|rest| rest.split('/').next());
    first.is_some_and(|first| {
        first.is_empty() || HOOK_NAMES.contains(&first.strip_suffix(".d").unwrap_or(first))
    })
}

/// Whether a file is a log of libvirt's, or an older one, which has a number behind it.
fn is_log(path: &str) -> bool {
    let name = path.trim_end_matches(|sign: char| sign.is_ascii_digit()).trim_end_matches('.');
    path.starts_with(LOGS) && name.ends_with(".log")
}

/// Whether a file belongs to the definition of one of these guests, which a migration brings along: the check
/// `definition` looks at that.
pub fn is_of_a_definition<'a>(file: &str, mut guests: impl Iterator<Item = &'a str>) -> bool {
    guests.any(|guest| {
        let after = |folder: &str| file.strip_prefix(folder)?.strip_prefix(guest);
        after("/etc/libvirt/qemu/") == Some(".xml")
            || after("/etc/libvirt/qemu/autostart/") == Some(".xml")
            || after("/var/lib/libvirt/qemu/nvram/").is_some_and(|rest| rest.starts_with(['_', '.']))
    })
}

/// Where libvirt notes what is active, and writes it anew with every start.
const STATUS: &str = "/run/libvirt/";

/// What others have below libvirt's folders on a machine of their own, and what becomes longer while they use it: images, and what
/// running guests keep there.
const OF_OTHERS: [&str; 10] = [
    "/dev/hugepages/libvirt/",
    "/var/lib/libvirt/boot/",
    "/var/lib/libvirt/dnsmasq/",
    "/var/lib/libvirt/images/",
    "/var/lib/libvirt/qemu/checkpoint/",
    "/var/lib/libvirt/qemu/dump/",
    "/var/lib/libvirt/qemu/ram/",
    "/var/lib/libvirt/qemu/save/",
    "/var/lib/libvirt/qemu/snapshot/",
    "/var/lib/libvirt/swtpm/",
];

/// Whether the length of a file counts. It may then not become longer by a byte: a hook that notes every start in a line has
/// little more after one scenario, and nothing that counts grows by itself. `is_exclusive` is a host where nobody else makes anything.
pub fn length_counts(path: &str, is_exclusive: bool) -> bool {
    let is_status = path.starts_with(STATUS) && (path.ends_with(".xml") || path.ends_with(".leases"));
    // A higher number has more digits.
    let is_status = is_status || path.ends_with(".pid");
    !is_status
        && !path.starts_with(LOGS)
        && (is_exclusive || !OF_OTHERS.iter().any(|folder| path.starts_with(folder)))
}

/// The files that are longer than before. Where there are more of a kind than before, the new ones are told by their names.
pub fn grown(before: &Traces, now: &Traces) -> Vec<String> {
    let before = lengths(before);
    let grown = lengths(now).into_iter().filter_map(|(path, (count, bytes))| {
        let (earlier, from) = *before.get(&path)?;
        (count <= earlier && bytes > from)
            .then(|| format!("file {path}, which has grown from {from} bytes to {bytes}"))
    });
    grown.collect()
}

/// How many files there are of each path, and how long they are together. Paths are without the numbers of domains.
fn lengths(traces: &Traces) -> BTreeMap<String, (usize, u64)> {
    let mut lengths: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for file in &traces.files {
        let Some(bytes) = file.bytes else { continue };
        let (count, sum) = lengths.entry(without_number(&file.path, &traces.domains)).or_default();
        *count += 1;
        *sum += bytes;
    }
    lengths
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::check::leftovers::testing::traces;

    #[rstest]
    #[case("/run/libvirt/qemu/left/", true)]
    #[case("/etc/libvirt/qemu/autostart/", false)]
    #[case("/etc/libvirt/qemu/autostart/left.xml", true)]
    #[case("/etc/libvirt/qemu/networks/", false)]
    #[case("/etc/libvirt/storage/left.xml", true)]
    #[case("/run/user/", false)]
    #[case("/run/left", true)]
    #[case("/run/multivm-0123/load.log", false)]
    #[case("/etc/libvirt/left", true)]
    #[case("/etc/libvirt/hooks/", false)]
    #[case("/etc/libvirt/hooks/qemu", false)]
    #[case("/etc/libvirt/hooks/qemu.d/site", false)]
    #[case("/etc/libvirt/hooks/starts", true)]
    #[case("/etc/qemu/bridge.conf", true)]
    #[case("/var/log/libvirt/qemu/left", true)]
    #[case("/var/log/libvirt/qemu/other.log", false)]
    #[case("/var/log/libvirt/qemu/other-console.log.0", false)]
    fn folders_count_where_libvirt_has_its_own(#[case] path: &str, #[case] counted: bool) {
        assert_eq!(counts_as_file(path), counted);
    }

    #[rstest]
    #[case("/etc/libvirt/qemu/vm1.xml", true)]
    #[case("/etc/libvirt/qemu/autostart/vm1.xml", true)]
    #[case("/var/lib/libvirt/qemu/nvram/vm1_VARS.fd", true)]
    #[case("/etc/libvirt/qemu/vm10.xml", false)]
    #[case("/etc/libvirt/qemu/neighbour.xml", false)]
    #[case("/etc/libvirt/qemu/networks/vm1.xml", false)]
    #[case("/var/lib/libvirt/qemu/nvram/neighbour_VARS.fd", false)]
    fn definitions_of_others_are_no_guests(#[case] path: &str, #[case] is_guests: bool) {
        assert_eq!(is_of_a_definition(path, ["vm1", "load1"].into_iter()), is_guests);
    }

    #[rstest]
    #[case::of_a_hook("/var/lib/libvirt/starts", true, true)]
    #[case::log("/var/log/libvirt/libvirtd.log", false, false)]
    #[case::network("/etc/libvirt/qemu/networks/default.xml", true, true)]
    #[case::status("/run/libvirt/qemu/vm1.xml", false, false)]
    #[case::process("/run/libvirt/qemu/vm1.pid", false, false)]
    #[case::image("/var/lib/libvirt/images/other.qcow2", true, false)]
    #[case::saved("/var/lib/libvirt/qemu/save/other.save", true, false)]
    fn what_grows_by_itself_does_not_count(
        #[case] path: &str,
        #[case] exclusive: bool,
        #[case] shared: bool,
    ) {
        assert_eq!([true, false].map(|is_exclusive| length_counts(path, is_exclusive)), [exclusive, shared]);
    }

    const BEFORE: [&str; 4] = [
        "domain|70|vm1",
        "file|100|/var/lib/libvirt/starts",
        "file|32|/var/lib/libvirt/qemu/domain-1-vm1/master-key.aes",
        "file|-|/var/lib/libvirt/qemu/",
    ];

    fn grown_to(files: &[&str]) -> Vec<String> {
        let now = [&["domain|99|vm1", "file|-|/var/lib/libvirt/qemu/"], files].concat();
        grown(&traces(&BEFORE), &traces(&now))
    }

    #[test]
    fn a_file_that_has_grown_is_told_with_its_lengths() {
        let told = grown_to(&["file|112|/var/lib/libvirt/starts"]);
        assert_eq!(told, ["file /var/lib/libvirt/starts, which has grown from 100 bytes to 112"]);
        let told = grown_to(&["file|33|/var/lib/libvirt/qemu/domain-3-vm1/master-key.aes"]);
        let path = "/var/lib/libvirt/qemu/domain-ID-vm1/master-key.aes";
        assert_eq!(told, [format!("file {path}, which has grown from 32 bytes to 33")]);
    }

    #[rstest]
    #[case::as_long("file|100|/var/lib/libvirt/starts")]
    #[case::shorter("file|7|/var/lib/libvirt/starts")]
    #[case::not_a_regular_one_any_more("file|-|/var/lib/libvirt/starts")]
    #[case::of_a_guest_that_is_home("file|32|/var/lib/libvirt/qemu/domain-3-vm1/master-key.aes")]
    #[case::new("file|7|/var/lib/libvirt/new")]
    fn what_is_no_longer_than_before_has_not_grown(#[case] file: &str) {
        assert_eq!(grown_to(&[file]), [""; 0]);
    }

    #[test]
    fn of_more_files_than_before_the_new_ones_are_told() {
        let key = |number: u32| format!("file|32|/var/lib/libvirt/qemu/domain-{number}-vm1/master-key.aes");
        assert_eq!(grown_to(&[&key(1), &key(3)]), [""; 0]);
    }
}
