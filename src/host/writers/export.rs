//! The export that the images are in, and what may be the same by the words of others.

use std::net::IpAddr;

/// The export, as the inventory has it.
pub struct Export {
    /// The server's address, as the hosts have it; none where they have mounted its export.
    pub server: Option<String>,
    /// The export's path on the server.
    pub path: String,
}

impl Export {
    /// Whether a name may be the server's: two different addresses are two servers, and a name proves nothing. On the server
    /// itself a loopback address is the server's, too.
    pub fn is_server(&self, named: &str, on_server: bool) -> bool {
        match (address(named), self.server.as_deref().and_then(address)) {
            (Some(one), Some(other)) => one == other || on_server && one.is_loopback(),
            _ => true,
        }
    }

    /// Whether an address is the server's, which nobody can say where hosts have mounted the export. On the server itself a
    /// loopback address is the server's, too.
    pub fn is_address(&self, other: IpAddr, on_server: bool) -> bool {
        let server = self.server.as_deref().and_then(address);
        server.is_some_and(|server| server == other || on_server && other.is_loopback())
    }

    /// Whether a host's NFS mount of `mounted` (`SERVER:PATH`) may have the export's files in it. Where hosts have mounted the
    /// export, nobody has said what it is called on its server.
    pub fn may_be_in(&self, mounted: &str) -> bool {
        match (&self.server, mounted.split_once(":/")) {
            (Some(_), Some((server, path))) => self.is_server(server, false) && may_share(path, &self.path),
            _ => true,
        }
    }
}

fn address(name: &str) -> Option<IpAddr> {
    name.trim_matches(['[', ']']).parse().ok()
}

/// Whether what is mounted and the export may have files in common: one is the other, or lies below it. A server of NFSv4 may leave
/// out the first folders of an export's path (`fsid=0` in exports(5)).
fn may_share(mounted: &str, export: &str) -> bool {
    let (mounted, export) = (parts(mounted), parts(export));
    (0..export.len().max(1)).any(|left_out| {
        let export = &export[left_out..];
        export.starts_with(&mounted) || mounted.starts_with(export)
    })
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn export(server: Option<&str>) -> Export {
        Export { server: server.map(str::to_owned), path: "/srv/nfs/vms".to_owned() }
    }

    #[rstest]
    #[case::itself("192.0.2.7:/srv/nfs/vms", true)]
    #[case::above("192.0.2.7:/srv", true)]
    #[case::root("192.0.2.7:/", true)]
    #[case::below("192.0.2.7:/srv/nfs/vms/old", true)]
    #[case::without_the_first_folders("192.0.2.7:/vms", true)]
    #[case::above_without_the_first_folders("192.0.2.7:/nfs/", true)]
    #[case::by_name("nas.example.org:/srv/nfs/vms", true)]
    #[case::another_server("192.0.2.8:/srv/nfs/vms", false)]
    #[case::another_server_of_ipv6("[2001:db8::7]:/srv/nfs/vms", false)]
    #[case::another_export("192.0.2.7:/home", false)]
    #[case::beside_it("192.0.2.7:/srv/nfs/vms2", false)]
    #[case::another_by_name("nas.example.org:/home", false)]
    #[case::not_known("", true)]
    fn a_mount_is_of_the_export_or_not(#[case] mounted: &str, #[case] expected: bool) {
        assert_eq!(export(Some("192.0.2.7")).may_be_in(mounted), expected);
    }

    #[test]
    fn where_hosts_have_mounted_it_any_mount_may_be_it() {
        assert!(export(None).may_be_in("192.0.2.8:/home"));
        assert!(export(None).is_server("192.0.2.8", false));
    }

    #[test]
    fn all_of_a_server_may_be_exported() {
        assert!(may_share("/home", "/") && may_share("/", "/"));
    }

    #[rstest]
    #[case("192.0.2.7", true, true)]
    #[case("192.0.2.8", false, false)]
    #[case("127.0.0.1", false, true)]
    #[case("localhost", true, true)]
    fn a_server_has_addresses(#[case] named: &str, #[case] elsewhere: bool, #[case] on_server: bool) {
        let known = export(Some("192.0.2.7"));
        assert_eq!([false, true].map(|there| known.is_server(named, there)), [elsewhere, on_server]);
        if let Some(named) = address(named) {
            assert_eq!([false, true].map(|there| known.is_address(named, there)), [elsewhere, on_server]);
            assert!(!export(None).is_address(named, true), "nobody has said which it is");
        }
    }
}
