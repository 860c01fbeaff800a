//! What guests need on a host before they come, and what goes with them.

use super::change::Change;
use super::lease::LEASE;
use super::marked;
use super::setting::Setting;
use crate::inventory::file::Consent;
use crate::libvirt::MARK_NAMESPACE;
use crate::remote::{REMOVE_PROGRAMS, pids_of_loads, quote};

/// The folder of the guests' kernel and initramfs, the same on both hosts.
pub const FOLDER: &str = "/var/lib/multivm/guest";

/// Lets guests use a disk on NFS where SELinux enforces.
pub fn selinux() -> Change {
    let is = |value: &str| format!("getsebool virt_use_nfs | grep -q -- '--> {value}'");
    Setting {
        name: "62-selinux",
        consent: Consent::Selinux,
        what: "the boolean virt_use_nfs",
        unless: format!("[ \"$(getenforce)\" != Enforcing ] || ! {}", is("off")),
        is_on: is("on"),
        on: "setsebool virt_use_nfs on".into(),
        off: "setsebool virt_use_nfs off".into(),
        // What `setsebool -P` has set, where newer and older policies have it.
        lasting: "cat /var/lib/selinux/*/active/booleans.local /etc/selinux/*/active/booleans.local \
                  /etc/selinux/*/modules/active/booleans.local 2> /dev/null | grep '^virt_use_nfs='",
        instead: "setsebool virt_use_nfs on",
    }
    .change()
}

/// A folder for what guests boot from. It lies on the host: not every policy of SELinux lets QEMU load a kernel from NFS. Its label is the
/// one that libvirt gives such files, since not every policy lets libvirt take any other one from them.
pub fn files() -> Change {
    Change::own(
        "70-guest-files",
        format!(
            "{}! getenforce > /dev/null 2>&1 || chcon -t virt_content_t {FOLDER} || :",
            marked::make(FOLDER)
        ),
        marked::remove(FOLDER),
    )
}

/// Where a host's libvirt keeps the logs of its guests' QEMUs and consoles.
pub const LOGS: &str = "/var/log/libvirt/qemu";

/// Nothing is made; what goes with the host's lease is every guest of this owner. Its name is noted for [`logs`].
pub fn guests(owner: &str) -> Change {
    // A host that does not say which guests it has is not put back. A domain is ours by its mark alone, and is asked for by
    // its UUID: a name may have blanks, or be another domain's number. The flags of `undefine` are for what somebody, or the
    // host's shutdown, has made of it meanwhile, and for the variables of UEFI: without them libvirt refuses a domain with one of these.
    let undo = format!(
        "command -v virsh > /dev/null || exit 0\n\
         ask() {{ timeout 60 virsh -q -c qemu:///system \"$@\"; }}\n\
         all=$(ask list --all --uuid) || exit 1\n\
         for one in $all; do\n\
         mark=$(ask metadata \"$one\" --uri {MARK_NAMESPACE} 2> /dev/null) || {{\n\
         [ $? = 1 ] && ask list > /dev/null && continue\n\
         echo \"libvirt does not say whose $one is\"; exit 1; }}\n\
         printf '%s\\n' \"$mark\" | head -n 1 | grep -E '^<([^ >]+:)?owner ([^>]* )?run=\"{owner}\"' | \
         grep -q '^[^>]* profile=\"' || continue\n\
         ask domname \"$one\" >> {LEASE}/names\n\
         ask destroy \"$one\" > /dev/null 2>&1\n\
         ! ask dominfo \"$one\" > /dev/null 2>&1 || ask undefine \"$one\" --managed-save --snapshots-metadata --nvram || exit 1\n\
         done"
    );
    Change::own("90-guests", ":", undo)
}

/// Nothing is made; what goes is the logs of our guests that were not there before, also of those that have gone already: the
/// log of a guest's QEMU has its command line, and in it the run's public key, which the guest's kernel gets, or where a guest has a
/// boot loader of its own, its disk in `images`, which is multivm's folder. Another guest of such a name keeps its logs.
pub fn logs(key: &str, images: &str) -> Change {
    let disks = format!("{images}/");
    let disks = quote(&disks);
    let undo = format!(
        "cd {LOGS} 2> /dev/null || exit 0\n\
         ls | sed -n -E '/^(vm|load)[0-9]+(-[a-z0-9-]+)?[.]log$/{{s/[.]log$//;p;s/-console$//p}}' | sort -u | while read -r name; do\n\
         grep -q -s -F -e '{key}' -e {disks} \"$name.log\" \"$name.log\".[0-9]* || grep -q -s -x -F \"$name\" {LEASE}/names || continue\n\
         for log in \"$name.log\" \"$name-console.log\"; do\n\
         grep -q -x -F \"{LOGS}/$log\" {LEASE}/logs || rm -f \"$log\"\n\
         done\n\
         done"
    );
    // A list that the disk does not take would make others' logs ours.
    let note = format!("found=$(ls -d {LOGS}/* 2> /dev/null); printf '%s\\n' \"$found\" > logs");
    Change { note, ..Change::own("88-logs", ":", undo) }
}

/// Nothing is made; what goes is multivm's program, which is in one of these directories, unless it was there before, or is
/// somebody else's.
pub fn programs(directories: &[String]) -> Change {
    let directories = directories.join(" ");
    let undo = format!(
        "for one in {directories}; do\n\
         grep -q -x -F \"$one\" {LEASE}/programs || {REMOVE_PROGRAMS} || exit 1\n\
         done"
    );
    let note = format!("found=$(ls -d {directories} 2> /dev/null); printf '%s\\n' \"$found\" > programs");
    Change { note, ..Change::own("92-programs", ":", undo) }
}

/// Nothing is made; what ends is every load of this owner.
pub fn loads(owner: &str) -> Change {
    let undo = format!(
        "for try in 1 2 3 4 5 6 7 8 9 10; do\n\
         at=$({}) && [ -n \"$at\" ] || exit 0\n\
         for one in $at; do [ $one = $$ ] || kill -KILL $one 2> /dev/null; done\n\
         sleep 1\n\
         done\n\
         echo \"loads do not end:\" $at; exit 1",
        pids_of_loads(owner)
    );
    Change::own("94-loads", ":", undo)
}

/// Closes the ports of migrations, which are open for `peer` while the host receives.
pub fn ports(peer: &str, ports: &str) -> Change {
    let close = super::gate::command("close", peer, ports);
    Change { consent: Some(Consent::Firewall), ..Change::own("80-ports", ":", close) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::super::testing::{Sandbox, content};
    use super::*;
    use crate::libvirt::mark_examples::{EXAMPLES, RUN, answer};

    /// A virsh of paper: a file for each domain, with its name in the first line and what `metadata` prints of it behind that; a
    /// command that changes one is noted. Each has a managed save image and a snapshot: a plain `undefine` is refused.
    const VIRSH: &str = r#"#!/bin/sh
shift 3
cd "$(dirname "$0")/../domains" || exit 1
case "$*" in
"list --all --uuid") ls ;;
list) [ ! -e ../hangs ] ;;
metadata*) [ "$3 $4" = '--uri urn:multivm:owner:1' ] && [ ! -e ../hangs ] && sed 1d "$2" | grep . ;;
domname*) head -n 1 "$2" ;;
dominfo*) [ -e "$2" ] ;;
destroy*) echo "$*" >> ../done ;;
"undefine $2 --managed-save --snapshots-metadata --nvram") echo "undefine $2" >> ../done; rm "$2" ;;
*) exit 1 ;;
esac
"#;

    fn host(domains: &[(&str, &str, &str)]) -> Sandbox {
        let host = Sandbox::leased();
        host.program("virsh", VIRSH);
        fs::create_dir(host.path("domains")).unwrap();
        fs::create_dir(host.path("logs")).unwrap();
        for (uuid, name, metadata) in domains {
            fs::write(host.path("domains").join(uuid), format!("{name}\n{metadata}\n")).unwrap();
        }
        host
    }

    #[test]
    fn a_guest_goes_by_its_mark_and_nothing_that_reads_like_one() {
        let uuid = |number: usize| format!("u{number:02}");
        let domains: Vec<[String; 3]> = EXAMPLES
            .iter()
            .enumerate()
            // The name of each is the UUID of the next one.
            .map(|(number, (metadata, _))| {
                [uuid(number), uuid(number + 1), answer(metadata).unwrap_or_default()]
            })
            .collect();
        let domains: Vec<_> =
            domains.iter().map(|[uuid, name, mark]| (uuid.as_str(), name.as_str(), mark.as_str())).collect();
        let host = host(&domains);
        assert!(host.make(&[guests(RUN)], &[]).status.success());
        assert!(host.put_back().status.success());
        let ours = EXAMPLES.iter().enumerate().filter(|(_, (_, is_ours))| *is_ours);
        let gone: String =
            ours.map(|(number, _)| format!("destroy {0}\nundefine {0}\n", uuid(number))).collect();
        assert_eq!(content(&host.path("done")), Some(gone));
    }

    #[test]
    fn a_host_that_does_not_say_whose_a_guest_is_keeps_its_lease() {
        let host = host(&[("u1", "vm1", r#"<owner run="R1" profile="p"/>"#)]);
        assert!(host.make(&[guests("R1")], &[]).status.success());
        fs::write(host.path("hangs"), "").unwrap();
        let output = host.put_back();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            (output.status.code(), &*said),
            (Some(1), "90-guests: libvirt does not say whose u1 is\n")
        );
        fs::remove_file(host.path("hangs")).unwrap();
        assert!(host.put_back().status.success() && host.path("done").exists());
    }

    #[test]
    fn logs_go_with_their_guests_and_a_strangers_stay() {
        let host = host(&[("u1", "vm1", r#"<owner run="R1" profile="p"/>"#), ("u7", "vm7", "")]);
        let log = |name: &str| host.path("logs").join(name);
        let ours = "qemu -append 'quiet multivm.key=AAAA+/key='\n";
        fs::write(log("vm4.log"), "of a guest of long ago\n").unwrap();
        assert!(host.make(&[logs("AAAA+/key=", "/srv/vms/multivm-R1"), guests("R1")], &[]).status.success());
        // vm1 is there and its QEMU never was; vm2 and load1 have gone; vm3 has another one's key; vm4 had a log before.
        for (name, text) in [
            ("vm1.log", ""),
            ("vm1-console.log", "boots"),
            ("vm2.log", ours),
            ("vm2-console.log", "boots"),
            ("load1.log", ours),
            ("vm3.log", "qemu -append 'quiet multivm.key=AAAA+/other='\n"),
            ("vm4.log", ours),
            ("vm4-console.log", "boots"),
            ("vm7.log", "theirs"),
            (
                "vm5-debian-13.log",
                "qemu -blockdev '{\"filename\":\"/srv/vms/multivm-R1/vm5-debian-13.qcow2\"}'\n",
            ),
            ("vm5-debian-13-console.log", "boots"),
            (
                "vm6-console.log",
                "qemu -blockdev '{\"filename\":\"/srv/vms/multivm-R1/vm6-console.qcow2\"}'\n",
            ),
            ("vm6-console-console.log", "boots"),
            (
                "vm8-debian-13.log",
                "qemu -blockdev '{\"filename\":\"/srv/vms/multivm-R12/vm8-debian-13.qcow2\"}'\n",
            ),
            ("vm7-console.log", "theirs"),
            ("mail.log", ours),
        ] {
            fs::write(log(name), text).unwrap();
        }
        assert!(host.put_back().status.success());
        let left =
            fs::read_dir(log("")).unwrap().map(|left| left.unwrap().file_name().into_string().unwrap());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(
            left,
            ["mail.log", "vm3.log", "vm4.log", "vm7-console.log", "vm7.log", "vm8-debian-13.log"]
        );
    }

    #[test]
    fn a_program_goes_and_nothing_else_of_its_name() {
        let host = Sandbox::leased();
        let folder = |name: &str| host.path(name);
        let create = |name: &str, mark: &str| {
            fs::create_dir(folder(name)).unwrap();
            fs::write(folder(name).join(mark), "").unwrap();
        };
        let paths = ["before", "link-of-ours", "made", "unmarked", "link-of-theirs", "never"];
        let paths = paths.map(|name| folder(name).display().to_string());
        create("before", ".multivm");
        create("other-multivm-ID", ".multivm");
        create("theirs", "file");
        assert!(host.make(&[programs(&paths)], &[]).status.success());
        create("made", ".multivm");
        create("unmarked", "file");
        std::os::unix::fs::symlink(folder("made"), folder("link-of-ours")).unwrap();
        std::os::unix::fs::symlink(folder("theirs"), folder("link-of-theirs")).unwrap();
        assert!(host.put_back().status.success());
        assert!(folder("before").exists() && folder("other-multivm-ID").exists());
        assert!(folder("unmarked/file").exists() && folder("theirs/file").exists());
        assert!(!folder("made").exists() && !folder("link-of-ours").is_symlink());
        assert!(folder("link-of-theirs").is_symlink());
    }

    #[test]
    fn loads_of_another_owner_go_on() {
        let host = Sandbox::leased();
        // Nobody else on this machine may have such an owner.
        let owner = format!("test-{}", std::process::id());
        let load = |owner: String| {
            let mut sleep = Command::new("sleep");
            sleep.arg("600").stdin(Stdio::null()).process_group(0);
            sleep.env("MULTIVM_LOAD", owner).spawn().unwrap()
        };
        let (mut ours, mut theirs) = (load(owner.clone()), load(format!("another-{owner}")));
        assert!(host.make(&[loads(&owner)], &[]).status.success());
        assert!(host.put_back().status.success());
        assert!(!ours.wait().unwrap().success());
        assert_eq!(theirs.try_wait().unwrap(), None);
        theirs.kill().unwrap();
        theirs.wait().unwrap();
    }
}
