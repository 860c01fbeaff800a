//! The storage that both hosts share: whether they see the same, and what is in the way.

use super::asked_host::{AskedHost, Mend};
use super::{Diagnosis, Pair, packages, shared};
use crate::inventory::bracketed;
use crate::inventory::file::{Consent, Server, SharedStorage};
use crate::stand::pair::packages::Program;
use crate::stand::pair::server;

const WHAT: &str = "storage";

pub fn examine(hosts: &[AskedHost<'_>; 2], pair: &Pair) -> Vec<Diagnosis> {
    match &pair.storage {
        SharedStorage::Mount(folder) => {
            let mut findings: Vec<Diagnosis> =
                hosts.iter().map(|host| mount(host, &folder.to_string_lossy())).collect();
            if hosts.iter().all(|host| host.facts.one("folder").is_some()) {
                findings.extend(shared::examine(hosts, &folder.to_string_lossy()));
            }
            findings
        }
        SharedStorage::Export { server, path } => {
            let what = format!("the export {}:{} is not mounted yet", bracketed(server), path.display());
            hosts.iter().map(|host| client(host, &what, pair)).collect()
        }
        SharedStorage::ServeOn(server) => {
            let what = format!("the {server} does not serve it yet");
            let serves = match server {
                Server::Controller => None,
                Server::Source => Some(&hosts[0]),
                Server::Target => Some(&hosts[1]),
            };
            let mut findings = serves.map_or_else(|| vec![here(hosts, pair)], |host| serve(host, pair));
            findings.extend(hosts.iter().map(|host| client(host, &what, pair)));
            findings
        }
    }
}

/// The file systems that libvirt takes for shared ones, by their names in mount tables (virFileIsSharedFSType in src/util/virfile.c).
const SHARED: [&str; 16] = [
    "nfs",
    "nfs4",
    "gfs",
    "gfs2",
    "ocfs",
    "ocfs2",
    "afs",
    "smb",
    "smb2",
    "smb3",
    "cifs",
    "ceph",
    "gpfs",
    "acfs",
    "fuse.glusterfs",
    "fuse.quobyte",
];

fn mount(host: &AskedHost<'_>, folder: &str) -> Diagnosis {
    let facts = &host.facts;
    let Some(kind) = facts.one("folder").and(facts.one("folder_type")) else {
        return host.missing(
            WHAT,
            format!("{folder} is not there, or did not answer within 20 s"),
            format!(
                "wanted: the folder that both hosts share, mounted at this path; {}; is the server of another mount of this host gone?",
                mounting(folder)
            ),
        );
    };
    let free =
        facts.number("folder_free_kib").map(|kib| format!(", {} GiB free", kib >> 20)).unwrap_or_default();
    let mounted = facts.one("folder_mount").unwrap_or(kind);
    let seen = format!("{folder}: {mounted}{free}");
    if mounted.split([' ', ',']).any(|option| option == "ro") {
        return host.missing(WHAT, seen, "wanted: writable; mount -o remount,rw there");
    }
    if mounted.split([' ', ',']).any(|option| option == "soft") {
        return host.warn(
            WHAT,
            seen,
            "wanted: hard; with `soft`, guests lose writes while the server is slow",
        );
    }
    // SOURCE FSTYPE OPTIONS, as findmnt prints them.
    let kind = mounted.split_whitespace().nth(1).unwrap_or(kind);
    if SHARED.contains(&kind) {
        return host.good(WHAT, seen);
    }
    host.missing(
        WHAT,
        format!("{seen}: libvirt takes {kind} for a local file system, and will not migrate"),
        format!("wanted: a file system that both hosts share, as NFS; {}", mounting(folder)),
    )
}

/// The command that mounts a folder of a server, which the user knows.
fn mounting(folder: &str) -> String {
    format!("mkdir -p {folder} && mount -t nfs -o vers=4.2,hard SERVER:/PATH {folder}")
}

/// What this machine needs to serve an export. A run that has taken the hosts serves it already.
fn here(hosts: &[AskedHost<'_>; 2], pair: &Pair) -> Diagnosis {
    const HERE: &str = "here: storage";
    let address = server::address(pair).and_then(|address| match hosts[0].run {
        None => server::is_free(address).map(|()| address),
        Some(_) => Ok(address),
    });
    match address {
        Ok(address) => Diagnosis::good(
            HERE,
            format!(
                "this machine serves it at {address}, port 2049, while a run lasts; its own firewall must let both hosts in"
            ),
        ),
        Err(failure) => Diagnosis::missing(
            HERE,
            failure.to_string(),
            "wanted: one IPv4 address of this machine for both hosts, with a free port 2049; or `export` of another server",
        ),
    }
}

/// What a host needs to mount an export.
fn client(host: &AskedHost<'_>, seen: &str, pair: &Pair) -> Diagnosis {
    if !host.facts.has("mount.nfs") {
        return packages::examine(host, WHAT, Program::NfsClient, pair);
    }
    let mend = Mend {
        wanted: "mounted on both hosts at one path",
        command: "mount it (vers=4.2,hard), and say `mount = \"/PATH\"`".to_owned(),
        consent: Consent::Mounts,
    };
    host.mendable(WHAT, seen, mend, pair)
}

/// What a host needs to serve an export.
fn serve(host: &AskedHost<'_>, pair: &Pair) -> Vec<Diagnosis> {
    const SERVER: &str = "NFS server";
    if !host.facts.has("exportfs") {
        return vec![packages::examine(host, SERVER, Program::NfsServer, pair)];
    }
    let mut findings = vec![host.warn(
        SERVER,
        "it serves the storage of its own guests",
        "a machine that is neither host is better: a host that mounts from itself can lock up when its memory is full",
    )];
    if host.facts.number("nfsd_threads").unwrap_or_default() == 0 {
        let mend = Mend {
            wanted: "an NFS server that runs",
            command: "systemctl start nfs-server".to_owned(),
            consent: Consent::Services,
        };
        findings.push(host.mendable(SERVER, "it does not run", mend, pair));
    }
    let mend = Mend {
        wanted: "a folder for images, exported to the two hosts",
        command: "take storage that is there: `mount`, or `export` of another server".to_owned(),
        consent: Consent::Exports,
    };
    findings.push(host.mendable("export", "nothing is exported yet", mend, pair));
    findings
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary, pair};

    #[rstest]
    #[case::nfs("folder yes\nfolder_type nfs\nfolder_mount nas:/vms nfs4 rw,vers=4.2,hard", Grade::Good)]
    #[case::soft("folder yes\nfolder_type nfs\nfolder_mount nas:/vms nfs4 rw,vers=4.2,soft", Grade::Warn)]
    #[case::read_only(
        "folder yes\nfolder_type nfs\nfolder_mount nas:/vms nfs4 ro,vers=4.2,hard",
        Grade::Missing
    )]
    #[case::local("folder yes\nfolder_type ext2/ext3\nfolder_mount /dev/sda1 ext4 rw", Grade::Missing)]
    #[case::not_there("", Grade::Missing)]
    fn a_mount_must_be_shared_and_writable(#[case] said: &str, #[case] expected: Grade) {
        let pair = ordinary();
        let [source, _] = hosts(&pair, said, "");
        assert_eq!(mount(&source, "/srv/vms").verdict, expected);
    }

    #[test]
    fn an_export_needs_a_client_and_consent() {
        let grades = |allow: &str, said: &str| {
            let pair = pair("export = 'nas:/vms'", "nat = true", allow);
            examine(&hosts(&pair, said, said), &pair).iter().map(|found| found.verdict).collect::<Vec<_>>()
        };
        assert_eq!(grades("", "has mount.nfs"), [Grade::Missing; 2]);
        assert_eq!(grades("'mounts'", "has mount.nfs"), [Grade::Warn; 2]);
        assert_eq!(grades("'mounts'", ""), [Grade::Missing; 2], "packages are another consent");
    }

    #[test]
    fn this_machine_serves_by_an_address_of_its_own() {
        let mut pair = pair("serve_on = 'controller'", "nat = true", "'mounts', 'exports'");
        let mut seen = |source: &str, target: &str| {
            (pair.source.storage_address, pair.target.storage_address) = (source.into(), target.into());
            let mut hosts = hosts(&pair, "has mount.nfs", "has mount.nfs");
            // Whether the port is free is this machine's affair.
            hosts[0].run = Some("R1");
            let found = examine(&hosts, &pair);
            (found.len(), found[0].name.clone(), found[0].verdict)
        };
        assert_eq!(seen("127.0.0.1", "127.0.0.2"), (3, "here: storage".to_owned(), Grade::Good));
        assert_eq!(seen("127.0.0.1", "::1"), (3, "here: storage".to_owned(), Grade::Missing));
    }

    #[test]
    fn a_host_that_serves_needs_a_server() {
        let pair = pair("serve_on = 'target'", "nat = true", "'mounts', 'exports'");
        let found = examine(&hosts(&pair, "has mount.nfs", "has mount.nfs"), &pair);
        assert_eq!((found[0].name.as_str(), found[0].verdict), ("target: NFS server", Grade::Missing));
    }

    /// What the host that serves lacks without its consent, by the commands that mend it.
    #[rstest]
    #[case::all_is_allowed("'mounts', 'exports', 'services'", "", &[])]
    #[case::it_runs("'mounts', 'exports'", "nfsd_threads 8", &[])]
    #[case::it_does_not_run("'mounts', 'exports'", "nfsd_threads 0", &["systemctl start nfs-server; or multivm does it, if `allow` has `services`"])]
    #[case::it_never_ran("'mounts', 'exports'", "", &["systemctl start nfs-server; or multivm does it, if `allow` has `services`"])]
    #[case::no_export("'mounts', 'services'", "", &["`mount`, or `export` of another server; or multivm does it, if `allow` has `exports`"])]
    fn a_host_that_serves_needs_consent(#[case] allow: &str, #[case] said: &str, #[case] missing: &[&str]) {
        let pair = pair("serve_on = 'source'", "nat = true", allow);
        let said = format!("has mount.nfs\nhas exportfs\n{said}");
        let found = examine(&hosts(&pair, &said, "has mount.nfs"), &pair);
        let found: Vec<_> = found.iter().filter(|found| found.verdict == Grade::Missing).collect();
        assert_eq!(found.len(), missing.len());
        for (found, missing) in found.iter().zip(missing) {
            let advice = found.advice.as_deref().unwrap_or_default();
            assert!(found.name.starts_with("source: ") && advice.ends_with(missing), "{advice}");
        }
    }
}
