//! The storage that both hosts share: an NFS export that multivm makes, and its mount on both.
//!
//! The server's own host mounts the export, too: libvirt on both hosts must see a file system that is shared, or calls the
//! migration unsafe.

use super::change::Change;
use super::gate;
use super::lease::{LEASE, same_boot};
use super::marked;
use crate::inventory::bracketed;
use crate::inventory::file::Consent;
use crate::remote::quote;

/// The folder that is exported, on the server.
pub const EXPORT: &str = "/var/lib/multivm/export";

/// Where hosts mount what multivm mounts.
pub const MOUNT: &str = "/var/lib/multivm/images";

/// The port of NFS 4.
const NFS_PORT: &str = "2049";

/// What a server of NFS does for its clients, which are known by their addresses.
pub fn serve(clients: &[&str], run: &str) -> Vec<Change> {
    let options = format!("rw,sync,no_subtree_check,no_root_squash,fsid={run}");
    let drop_in = format!("/etc/exports.d/multivm-{run}.exports");
    let line: Vec<String> = clients.iter().map(|client| format!("{client}({options})")).collect();
    let line = quote(&format!("{EXPORT} {}", line.join(" "))).into_owned();
    let each =
        |command: &dyn Fn(&str) -> String| clients.iter().map(|client| command(client)).collect::<String>();
    // The file is for others, who may export everything anew; nobody else's exports are touched by that.
    let export = each(&|client| {
        format!("exportfs -o {options} {} || exit 1\n", quote(&format!("{}:{EXPORT}", bracketed(client))))
    });
    let withdraw = each(&|client| {
        format!("exportfs -u {} 2> /dev/null\n", quote(&format!("{}:{EXPORT}", bracketed(client))))
    });
    vec![
        service(),
        Change::own("30-folder", marked::make(EXPORT), marked::remove(EXPORT)),
        Change {
            name: "40-export",
            consent: Some(Consent::Exports),
            unless: "false".into(),
            note: "[ -d /etc/exports.d ] || : > export.folder".into(),
            act: format!("mkdir -p /etc/exports.d && echo {line} > {drop_in} || exit 1\n{export}"),
            undo: format!(
                "rm -f {drop_in}\n{withdraw}[ ! -e /var/lib/multivm/lease/export.folder ] || rmdir /etc/exports.d 2> /dev/null\n\
                 ! exportfs -s | grep -q -F '{EXPORT} '"
            ),
            instead: "storage that is there: `mount`, or `export` of another server".into(),
        },
    ]
}

/// Starts the server of NFS where none runs. It is stopped if nobody else wants it by then: others may export through it, or have it started at
/// each boot.
fn service() -> Change {
    let enabled = "systemctl is-enabled nfs-server 2> /dev/null";
    Change {
        name: "20-service",
        consent: Some(Consent::Services),
        unless: "[ \"$(cat /proc/fs/nfsd/threads)\" -gt 0 ]".into(),
        note: format!("enabled=$({enabled})\n: > service.exports && echo \"$enabled\" > service.enabled"),
        // What is set up to be exported whenever it runs.
        act: "systemctl start nfs-server || exit 1\n\
              exports=$(exportfs -s) && printf '%s\\n' \"$exports\" > service.exports"
            .into(),
        undo: format!(
            "left() {{ echo \"left: nfs-server goes on: $1\"; exit 0; }}\n\
             if ! {}; then\n\
             ! systemctl is-active -q nfs-server || left 'the host has booted since multivm started it'\n\
             exit 0\n\
             fi\n\
             [ \"$({enabled})\" != enabled ] || [ \"$(cat {LEASE}/service.enabled)\" = enabled ] || left 'somebody has enabled it meanwhile'\n\
             others=$(exportfs -s | grep -v -F '{EXPORT} ' | grep -v -x -F -f {LEASE}/service.exports | head -n 1)\n\
             [ -z \"$others\" ] || left \"others export by now: $others\"\n\
             systemctl stop nfs-server",
            same_boot()
        ),
        instead: "systemctl start nfs-server, on the host that serves".into(),
    }
}

/// Lets a client of NFS in at the server's firewall.
pub fn admit(client: &str) -> Change {
    gate::admit("50-nfs-port", client, NFS_PORT, &format!("open {NFS_PORT}/tcp for the other host"))
}

/// Mounts what a server exports. `hard`: a guest waits for its disk, and never loses what it wrote.
pub fn mount(server: &str, path: &str) -> Change {
    // As the kernel takes it, and shows it.
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let from = format!("{}:{path}", bracketed(server));
    let from = quote(&from);
    Change {
        name: "60-mount",
        consent: Some(Consent::Mounts),
        unless: "false".into(),
        note: ":".into(),
        act: format!(
            "mkdir -p {MOUNT} && \
             timeout 60 mount -t nfs -o vers=4.2,proto=tcp,hard,noatime {from} {MOUNT}"
        ),
        // Nobody else's mount is there: the folder is multivm's. What hangs there has died with the guests.
        undo: format!(
            "for try in 1 2 3 4 5 6 7 8 9 10; do\n\
             findmnt -n -t nfs,nfs4 -M {MOUNT} > /dev/null || break\n\
             timeout 20 umount {MOUNT} && break\n\
             sleep 1\n\
             done\n\
             ! findmnt -n -t nfs,nfs4 -M {MOUNT} > /dev/null || umount -l {MOUNT} || exit 1\n\
             [ ! -d {MOUNT} ] || rmdir {MOUNT}"
        ),
        instead: format!(
            "mount -t nfs -o vers=4.2,proto=tcp,hard,noatime {from} /PATH on both hosts, and `mount = \"/PATH\"`"
        ),
    }
}

/// A folder of this run in storage that is somebody's.
///
/// Where the storage is not mounted any more when the folder is to be removed, the folder is not seen and is there all the same. So
/// the lease knows what was mounted, and keeps the change until the storage is back.
pub fn folder(path: &str) -> Change {
    let parent = quote(path.rsplit_once('/').map_or("/", |(parent, _)| parent)).into_owned();
    let (make, remove, path) = (marked::make(path), marked::remove(path), quote(path));
    // SOURCE PLACE, without the numbers in between.
    let mounted =
        format!("df -P {parent} | sed -n '2s/\\(  *-\\{{0,1\\}}[0-9]*%\\{{0,1\\}}\\)\\{{4\\}} / /p'");
    Change {
        note: format!("{mounted} > images.mounted"),
        ..Change::own(
            "65-images",
            make,
            format!(
                "[ ! -e {path}/.multivm ] || {{\n{remove}exit 0\n}}\n\
                 was=$(cat /var/lib/multivm/lease/images.mounted 2> /dev/null)\n\
                 [ -n \"$was\" ] && [ \"$({mounted})\" != \"$was\" ] || exit 0\n\
                 printf '%s\\n' {path}\" is out of reach and stays: $was is not mounted any more. Mount it (SOURCE PLACE), then: \
                 multivm reap --inventory FILE. If the storage is gone for good, remove /var/lib/multivm/lease/changes/65-images there first\"\n\
                 exit 1"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Output;

    use rstest::rstest;

    use super::super::testing::{Sandbox, content};
    use super::*;

    /// A host with storage at `srv`, where `mounts` has the line of `df`.
    fn host() -> Sandbox {
        let host = Sandbox::leased();
        fs::create_dir(host.path("srv")).unwrap();
        mount(&host, "nas:/vms2 100 20 80 20% /srv");
        host
    }

    fn mount(host: &Sandbox, line: &str) {
        fs::write(host.path("mounts"), format!("Filesystem and so on\n{line}\n")).unwrap();
    }

    fn change(host: &Sandbox) -> Change {
        let df = format!("df() {{ cat {}; }}\n", host.path("mounts").display());
        let plain = folder(&format!("{}/multivm-R1", host.path("srv").display()));
        Change { note: df.clone() + &plain.note, undo: df + &plain.undo, ..plain }
    }

    fn made() -> Sandbox {
        let host = host();
        assert!(host.make(&[change(&host)], &[]).status.success());
        fs::write(host.path("srv/multivm-R1/vm1.qcow2"), "image").unwrap();
        assert_eq!(content(&host.lease("images.mounted")).as_deref(), Some("nas:/vms2 /srv\n"));
        host
    }

    fn said(output: &Output) -> String {
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A systemctl whose only service is a file with what it is.
    const SYSTEMCTL: &str = r#"#!/bin/sh
service=$(dirname "$0")/../service
case $1 in
    start) echo active >"$service" ;;
    stop) echo inactive >"$service" ;;
    is-active) grep -q -x active "$service" ;;
    is-enabled) cat "$service.enabled" ;;
esac
"#;

    /// A host on which multivm has started the server, which is set up to export something.
    fn serving() -> Sandbox {
        let host = Sandbox::leased();
        host.program("systemctl", SYSTEMCTL);
        host.program("exportfs", "#!/bin/sh\ncat \"$(dirname \"$0\")/../exports\"\n");
        fs::write(host.path("exports"), "/home  *(ro)\n").unwrap();
        fs::write(host.path("service.enabled"), "disabled\n").unwrap();
        let start = Change { unless: "false".into(), ..service() };
        assert!(host.make(&[start], &[Consent::Services]).status.success());
        assert_eq!(content(&host.path("service")).as_deref(), Some("active\n"));
        host
    }

    #[test]
    fn a_server_that_was_started_is_stopped() {
        let host = serving();
        let own = format!("{}  192.0.2.12(rw)\n/home  *(ro)\n", host.moved(EXPORT));
        fs::write(host.path("exports"), own).unwrap();
        let output = host.put_back();
        assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
        assert_eq!(content(&host.path("service")).as_deref(), Some("inactive\n"));
    }

    #[rstest]
    #[case::who_exports("exports", "/home  *(ro)\n/srv  *(rw)\n", "others export by now: /srv  *(rw)")]
    #[case::who_enabled_it("service.enabled", "enabled\n", "somebody has enabled it meanwhile")]
    #[case::of_a_later_boot(
        "multivm/lease/boot",
        "earlier\n",
        "the host has booted since multivm started it"
    )]
    fn a_server_of_somebody_else_goes_on(#[case] file: &str, #[case] now: &str, #[case] why: &str) {
        let host = serving();
        fs::write(host.path(file), now).unwrap();
        let output = host.put_back();
        assert!(output.status.success() && !host.lease("").exists());
        assert_eq!(said(&output), format!("left: 20-service: nfs-server goes on: {why}\n"));
        assert_eq!(content(&host.path("service")).as_deref(), Some("active\n"));
    }

    #[test]
    fn an_export_is_one_word_with_its_servers_address_in_brackets() {
        for (server, from) in [("nas", "nas:/vms#1%20"), ("2001:db8::7", "[2001:db8::7]:/vms#1%20")] {
            let words = shlex::split(&super::mount(server, "/vms#1%20/").act).unwrap();
            assert!(words.iter().any(|word| word == from), "{words:?}");
        }
    }

    #[test]
    fn images_go_with_their_folder() {
        let host = made();
        // Others have filled it meanwhile.
        mount(&host, "nas:/vms2 100 99 1 99% /srv");
        assert!(host.put_back().status.success() && !host.lease("").exists());
        assert_eq!(fs::read_dir(host.path("srv")).unwrap().count(), 0);
    }

    #[test]
    fn images_on_storage_that_is_not_mounted_any_more_are_told_of_and_removed_later() {
        let host = made();
        fs::rename(host.path("srv"), host.path("nas")).unwrap();
        fs::create_dir(host.path("srv")).unwrap();
        for gone in ["/dev/sda1 100 20 80 20% /", ""] {
            mount(&host, gone);
            let output = host.put_back();
            let said = said(&output);
            assert!(!output.status.success() && host.lease("changes/65-images").exists());
            assert!(
                said.starts_with("65-images: ") && said.contains("nas:/vms2 /srv is not mounted any more"),
                "{said}"
            );
            assert!(said.contains("multivm reap --inventory FILE"), "{said}");
        }
        fs::remove_dir(host.path("srv")).unwrap();
        fs::rename(host.path("nas"), host.path("srv")).unwrap();
        mount(&host, "nas:/vms2 100 20 80 20% /srv");
        assert!(host.put_back().status.success() && !host.lease("").exists());
        assert_eq!(fs::read_dir(host.path("srv")).unwrap().count(), 0);
    }

    #[test]
    fn images_that_somebody_has_removed_are_no_trouble() {
        let host = made();
        fs::remove_dir_all(host.path("srv/multivm-R1")).unwrap();
        assert!(host.put_back().status.success() && !host.lease("").exists());
    }

    #[test]
    fn a_folder_of_somebody_else_stays() {
        let host = host();
        fs::create_dir(host.path("srv/multivm-R1")).unwrap();
        assert!(!host.make(&[change(&host)], &[]).status.success());
        assert!(host.put_back().status.success() && host.path("srv/multivm-R1").exists());
    }

    #[test]
    fn this_machines_df_is_understood() {
        let host = Sandbox::leased();
        let plain = folder(&format!("{}/multivm-R1", host.path("").display()));
        assert!(host.make(&[plain], &[]).status.success());
        let noted = content(&host.lease("images.mounted")).unwrap();
        let (source, place) = noted.trim_end().split_once(' ').unwrap();
        assert!(!source.is_empty() && place.starts_with('/') && !place.contains(' '), "{noted}");
        assert!(host.put_back().status.success());
    }
}
