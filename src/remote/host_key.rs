//! The kinds of host key that known_hosts has for a machine.

use ssh2::Host;

use crate::inventory::Login;

/// The beginning of each kind of key in base64, and the names of the signatures that prove it, best first (RFC 4253, 6.6;
/// RFC 5656, 3.1; RFC 8332; RFC 8709).
const KINDS: [(&str, &[&str]); 5] = [
    ("AAAAC3NzaC1lZDI1NTE5", &["ssh-ed25519"]),
    ("AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY", &["ecdsa-sha2-nistp256"]),
    ("AAAAE2VjZHNhLXNoYTItbmlzdHAzODQ", &["ecdsa-sha2-nistp384"]),
    ("AAAAE2VjZHNhLXNoYTItbmlzdHA1MjE", &["ecdsa-sha2-nistp521"]),
    ("AAAAB3NzaC1yc2E", &["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]),
];

/// The signatures that can prove one of the machine's keys in known_hosts, best first; empty if known_hosts has no key of
/// it.
pub(super) fn algorithms(known: &[Host], login: &Login) -> Vec<&'static str> {
    signatures(known.iter().map(|host| (host.name(), host.key())), login)
}

fn signatures<'a>(
    known: impl Iterator<Item = (Option<&'a str>, &'a str)> + Clone,
    login: &Login,
) -> Vec<&'static str> {
    let with_port = format!("[{}]:{}", login.address, login.port);
    // A hashed name may be any machine's.
    let is_its = |name: Option<&str>| {
        name.is_none_or(|name| name == with_port || (login.port == 22 && name == login.address))
    };
    KINDS
        .iter()
        .filter(|(begin, _)| known.clone().any(|(name, key)| is_its(name) && key.starts_with(begin)))
        .flat_map(|(_, signatures)| *signatures)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ0";
    const RSA: &str = "AAAAB3NzaC1yc2EAAAADAQAB";
    const NISTP256: &str = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY";

    fn found(port: u16, known: &[(Option<&str>, &str)]) -> Vec<&'static str> {
        let login = Login {
            address: "192.0.2.7".into(),
            port,
            user: "root".into(),
            key: "/nowhere/key".into(),
            known_hosts: "/nowhere/known_hosts".into(),
        };
        signatures(known.iter().copied(), &login)
    }

    #[test]
    fn only_the_machines_own_keys_count() {
        let known = [(Some("192.0.2.7"), RSA), (Some("192.0.2.8"), ED25519)];
        assert_eq!(found(22, &known), ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]);
    }

    #[test]
    fn another_port_is_another_machine() {
        let known = [(Some("192.0.2.7"), RSA), (Some("[192.0.2.7]:2222"), NISTP256)];
        assert_eq!(found(2222, &known), ["ecdsa-sha2-nistp256"]);
    }

    #[test]
    fn a_hashed_name_may_be_the_machines() {
        assert_eq!(
            found(22, &[(None, NISTP256), (Some("192.0.2.7"), ED25519)]),
            ["ssh-ed25519", "ecdsa-sha2-nistp256"]
        );
    }

    #[test]
    fn a_machine_that_is_not_known_has_none() {
        assert!(found(22, &[(Some("192.0.2.8"), RSA)]).is_empty());
        assert!(found(22, &[(Some("192.0.2.7"), "AAAAB3NzaC1kc3M")]).is_empty());
    }
}
