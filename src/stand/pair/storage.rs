//! The storage that both hosts share: an NFS export that multivm makes, and its mount on both.
//!
//! The server's own host mounts the export, too: libvirt on both hosts must see a file system that is shared, or calls the
//! migration unsafe.

use super::change::Change;
use super::lease::HOME;
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
        Change {
            name: "20-service",
            consent: Some(Consent::Services),
            unless: "[ \"$(cat /proc/fs/nfsd/threads)\" -gt 0 ]".into(),
            note: ":".into(),
            act: "systemctl start nfs-server".into(),
            undo: "systemctl stop nfs-server".into(),
            instead: "systemctl start nfs-server, on the host that serves".into(),
        },
        Change::own(
            "30-folder",
            format!("mkdir -p {EXPORT} && chmod 711 {HOME} && chmod 755 {EXPORT}"),
            format!("rm -rf --one-file-system {EXPORT}"),
        ),
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

/// An address as it stands before a colon.
fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// Lets a client of NFS in at the server's firewall.
pub fn admit(client: &str) -> Change {
    let gate = "sh /var/lib/multivm/lease/gate";
    let client = quote(client);
    Change {
        name: "50-nfs-port",
        consent: Some(Consent::Firewall),
        unless: "false".into(),
        note: ":".into(),
        act: format!("{gate} open {client} {NFS_PORT}"),
        undo: format!("{gate} close {client} {NFS_PORT}"),
        instead: format!("open {NFS_PORT}/tcp for the other host"),
    }
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
            "mkdir -p {MOUNT} && chmod 711 {HOME} && \
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
pub fn folder(path: &str) -> Change {
    let path = quote(path);
    Change::own(
        "65-images",
        format!("mkdir {path} && chmod 755 {path} && : > {path}/.multivm"),
        format!("[ ! -e {path}/.multivm ] || rm -rf --one-file-system {path}"),
    )
}
