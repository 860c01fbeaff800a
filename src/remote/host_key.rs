//! The key by which a machine proves its identity.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};
use ssh2::{CheckResult, KnownHostFileKind, KnownHosts, Session};

use crate::failure::{Cause, FailureKind, Result};
use crate::inventory::{HostKey, Login, Trust};

/// The beginning of each kind of key in base64, and the names of the signatures that prove it, best first (RFC 4253, 6.6;
/// RFC 5656, 3.1; RFC 8332; RFC 8709).
const KINDS: [(&str, &[&str]); 5] = [
    ("AAAAC3NzaC1lZDI1NTE5", &["ssh-ed25519"]),
    ("AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY", &["ecdsa-sha2-nistp256"]),
    ("AAAAE2VjZHNhLXNoYTItbmlzdHAzODQ", &["ecdsa-sha2-nistp384"]),
    ("AAAAE2VjZHNhLXNoYTItbmlzdHA1MjE", &["ecdsa-sha2-nistp521"]),
    ("AAAAB3NzaC1yc2E", &["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]),
];

/// The identity of a machine, as it proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `SHA256:BASE64`, as ssh-keygen prints it.
    pub fingerprint: String,
    /// Its key, `ssh-ed25519 BASE64` and the like.
    pub key: String,
    /// Whether this was the first contact, after which the machine is known.
    pub is_new: bool,
}

/// The signatures by which the machine is to prove its key, best first; empty if any will do. libssh2 would ask for the key
/// that it likes best, which may be another one than that which is known.
pub(super) fn algorithms(session: &Session, login: &Login) -> Result<Vec<&'static str>, Cause> {
    match &login.trust {
        Trust::Key(HostKey::Fingerprint(_)) => Ok(Vec::new()),
        Trust::Key(HostKey::Key(key)) => {
            let key = key.split(' ').nth(1).unwrap_or_default();
            Ok(signatures([(Some(login.address.as_str()), key)].into_iter(), &login.address, 22))
        }
        Trust::Known(file) => known(session, file).and_then(|known| of_file(&known, login)),
        Trust::FirstContact(file) if file.exists() => {
            known(session, file).and_then(|known| of_file(&known, login))
        }
        Trust::FirstContact(_) => Ok(Vec::new()),
    }
}

fn of_file(known: &KnownHosts, login: &Login) -> Result<Vec<&'static str>, Cause> {
    let hosts = known.hosts()?;
    let keys = hosts.iter().map(|host| (host.name(), host.key()));
    Ok(signatures(keys, &login.address, login.port))
}

/// Every kind of signature alone, for a machine of which a fingerprint is known and no kind of key.
pub(super) fn each() -> impl Iterator<Item = &'static [&'static str]> {
    KINDS.iter().map(|(_, signatures)| *signatures)
}

/// The signatures for the keys of a machine among those that are known.
fn signatures<'a>(
    known: impl Iterator<Item = (Option<&'a str>, &'a str)> + Clone,
    address: &str,
    port: u16,
) -> Vec<&'static str> {
    let with_port = format!("[{address}]:{port}");
    // A hashed name may be any machine's.
    let is_its =
        |name: Option<&str>| name.is_none_or(|name| name == with_port || (port == 22 && name == address));
    KINDS
        .iter()
        .filter(|(begin, _)| known.clone().any(|(name, key)| is_its(name) && key.starts_with(begin)))
        .flat_map(|(_, signatures)| *signatures)
        .copied()
        .collect()
}

/// Checks the key that the machine has proved in the session's handshake.
pub(super) fn check(session: &Session, login: &Login) -> Result<Identity, Cause> {
    let refused = |text: String| Cause::new(FailureKind::Refused, text);
    let (key, _) = session.host_key().ok_or_else(|| refused("it showed no host key".into()))?;
    let fingerprint = fingerprint(key);
    let known = Identity {
        fingerprint: fingerprint.clone(),
        key: format!("{} {}", kind(key), STANDARD.encode(key)),
        is_new: false,
    };
    let (file, may_add) = match &login.trust {
        Trust::Key(expected) if expected.is(key) => return Ok(known),
        Trust::Key(_) => {
            let text = format!("its host key, {fingerprint}, is not the one that the inventory has");
            return Err(refused(text));
        }
        Trust::Known(file) => (file, false),
        Trust::FirstContact(file) => (file, true),
    };
    if may_add && !file.exists() {
        return add(key, login, file).map(|()| Identity { is_new: true, ..known });
    }
    let name = file.display();
    match self::known(session, file)?.check_port(&login.address, login.port, key) {
        CheckResult::Match => Ok(known),
        CheckResult::NotFound if may_add => {
            add(key, login, file).map(|()| Identity { is_new: true, ..known })
        }
        CheckResult::NotFound => Err(refused(format!("it is not in {name}"))),
        CheckResult::Mismatch => {
            Err(refused(format!("its host key, {fingerprint}, is not the one in {name}")))
        }
        CheckResult::Failure => Err(refused(format!("its host key could not be checked with {name}"))),
    }
}

fn known(session: &Session, file: &Path) -> Result<KnownHosts, Cause> {
    let mut known = session.known_hosts()?;
    known
        .read_file(file, KnownHostFileKind::OpenSSH)
        .map_err(|error| Cause::from(error).about(file.display()))?;
    Ok(known)
}

/// The machine's name in files of OpenSSH's format.
pub(super) fn known_as(login: &Login) -> String {
    match login.port {
        22 => login.address.clone(),
        port => format!("[{}]:{port}", login.address),
    }
}

/// Adds a machine to a file, in one write: others may add theirs at the same time.
fn add(key: &[u8], login: &Login, file: &Path) -> Result<(), Cause> {
    // Somebody's editor may have left the last line without its end.
    let is_open = std::fs::read(file).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n'));
    let end = if is_open { "\n" } else { "" };
    let line = format!("{end}{} {} {}\n", known_as(login), kind(key), STANDARD.encode(key));
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    written.map_err(|error| Cause::from(error).about(format!("add it to {}", file.display())))
}

/// The kind of a key, which its encoding begins with (RFC 4253, 6.6): a length of four bytes, and that many of text.
fn kind(key: &[u8]) -> String {
    let length = key.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let name = key.get(4..4 + length.min(64)).unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// A key's fingerprint, as ssh-keygen prints it.
pub fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

impl HostKey {
    fn is(&self, key: &[u8]) -> bool {
        match self {
            HostKey::Fingerprint(expected) => *expected == fingerprint(key),
            HostKey::Key(expected) => {
                let expected = expected.split(' ').nth(1).unwrap_or_default();
                STANDARD.decode(expected).is_ok_and(|expected| expected == key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ0";
    const RSA: &str = "AAAAB3NzaC1yc2EAAAADAQAB";
    const NISTP256: &str = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY";

    fn found(port: u16, known: &[(Option<&str>, &str)]) -> Vec<&'static str> {
        signatures(known.iter().copied(), "192.0.2.7", port)
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

    /// The public key of RFC 8032's first test vector, in OpenSSH's encoding, and what `ssh-keygen -l` says of it.
    const LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

    fn blob() -> Vec<u8> {
        STANDARD.decode(LINE.split(' ').nth(1).unwrap()).unwrap()
    }

    #[test]
    fn a_key_is_known_by_itself_and_by_its_fingerprint() {
        let key = blob();
        assert_eq!(kind(&key), "ssh-ed25519");
        assert!(HostKey::Key(LINE.into()).is(&key));
        assert!(HostKey::Fingerprint(fingerprint(&key)).is(&key));
        assert!(!HostKey::Fingerprint(fingerprint(b"other")).is(&key));
        assert!(!HostKey::Key(LINE.replace("Ea", "Eb")).is(&key));
    }

    #[test]
    fn a_machine_is_added_as_openssh_would() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        for port in [22, 2222] {
            add(&blob(), &Login::of_root("192.0.2.7", port, "k", "h"), &file).unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("192.0.2.7 {LINE}\n[192.0.2.7]:2222 {LINE}\n"));
        std::fs::write(&file, text.trim_end()).unwrap();
        add(&blob(), &Login::of_root("192.0.2.8", 22, "k", "h"), &file).unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 3);
    }
}
