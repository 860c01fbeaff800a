//! The key by which a machine proves its identity.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};
use ssh2::Session;

use super::known_hosts::{self, KeyStanding, known_as};
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
    /// The machine's key, `ssh-ed25519 BASE64` and the like.
    pub key: String,
    /// Whether the machine was not known before.
    pub is_new: bool,
}

/// The signatures by which the machine is to prove its key, best first; empty if any will do. libssh2 would ask for the key
/// that it likes best, which may be another one than that which is known.
pub(super) fn algorithms(login: &Login) -> Result<Vec<&'static str>, Cause> {
    match &login.trust {
        Trust::Key(HostKey::Fingerprint(_)) => Ok(Vec::new()),
        Trust::Key(HostKey::Key(key)) => Ok(signatures(&[key.split(' ').nth(1).unwrap_or_default()])),
        Trust::Known(file) | Trust::FirstContact(file) => {
            Ok(signatures(&known_hosts::keys(&text_of(&login.trust, file)?, &known_as(login))))
        }
    }
}

/// Every kind of signature alone, for a machine of which a fingerprint is known and no kind of key.
pub(super) fn each() -> impl Iterator<Item = &'static [&'static str]> {
    KINDS.iter().map(|(_, signatures)| *signatures)
}

/// The signatures for keys in base64.
fn signatures(keys: &[&str]) -> Vec<&'static str> {
    let is_known = |begin: &str| keys.iter().any(|key| key.starts_with(begin));
    KINDS
        .iter()
        .filter(|(begin, _)| is_known(begin))
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
    let file = match &login.trust {
        Trust::Key(expected) if expected.is(key) => return Ok(known),
        Trust::Key(expected) => {
            let text = format!(
                "its host key, {fingerprint}, is not the one that the inventory has, {}",
                expected.shown()
            );
            return Err(refused(text));
        }
        Trust::Known(file) | Trust::FirstContact(file) => file,
    };
    let name = file.display();
    let text = text_of(&login.trust, file)?;
    match known_hosts::standing(&text, &known_as(login), key) {
        KeyStanding::Known => Ok(known),
        KeyStanding::Unknown if matches!(login.trust, Trust::FirstContact(_)) => {
            Ok(Identity { is_new: true, ..known })
        }
        KeyStanding::Unknown => Err(refused(format!("it is not in {name}"))),
        KeyStanding::Other => {
            let others = known_hosts::numbered(&text, &known_as(login));
            let others: Vec<String> =
                others.into_iter().map(|(line, key)| format!("{} in line {line}", shown(key))).collect();
            let others = others.join(" and ");
            Err(refused(format!("its host key, {fingerprint}, is not the one in {name}, which has {others}")))
        }
        KeyStanding::Revoked => Err(refused(format!(
            "its host key, {fingerprint}, must not be accepted any more: {name} has it as @revoked"
        ))),
        KeyStanding::Certified => Err(refused(format!(
            "{name} wants a certificate of it (@cert-authority), and multivm knows keys alone; its host key is {fingerprint}"
        ))),
    }
}

/// Makes a machine known that was not, once it has let the user in.
///
/// Nobody is asked whether its key is the right one. A machine that only answered at the address, as before an inventory's mistake
/// is mended, must not stand in the way of the right one ever after.
pub(super) fn remember(session: &Session, login: &Login) -> Result<(), Cause> {
    // Another login may have made it known since.
    match (&login.trust, check(session, login)?, session.host_key()) {
        (Trust::FirstContact(file), Identity { is_new: true, .. }, Some((key, _))) => add(key, login, file),
        _ => Ok(()),
    }
}

/// The text of a file of known machines. One that is to be written at the first contact may not be there yet.
fn text_of(trust: &Trust, file: &Path) -> Result<String, Cause> {
    match fs::read(file) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound && matches!(trust, Trust::FirstContact(_)) => {
            Ok(String::new())
        }
        Err(error) => Err(Cause::from(error).about(file.display())),
    }
}

/// Adds a machine to a file, in one write: others may add theirs at the same time.
fn add(key: &[u8], login: &Login, file: &Path) -> Result<(), Cause> {
    // Somebody's editor may have left the last line without its end.
    let is_open = fs::read(file).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n'));
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

/// The fingerprint of a key in base64.
fn shown(key: &str) -> String {
    STANDARD.decode(key).map_or_else(|_| "no key".to_owned(), |key| fingerprint(&key))
}

impl HostKey {
    /// The key's fingerprint.
    fn shown(&self) -> String {
        match self {
            HostKey::Fingerprint(fingerprint) => fingerprint.clone(),
            HostKey::Key(key) => shown(key.split(' ').nth(1).unwrap_or_default()),
        }
    }

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

    #[test]
    fn a_machine_proves_the_kinds_of_key_that_are_known_of_it() {
        let [ed25519, rsa, nistp256] = [
            "AAAAC3NzaC1lZDI1NTE5AAAAIJ0",
            "AAAAB3NzaC1yc2EAAAADAQAB",
            "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY",
        ];
        assert_eq!(signatures(&[rsa]), ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]);
        assert_eq!(signatures(&[nistp256, ed25519]), ["ssh-ed25519", "ecdsa-sha2-nistp256"]);
        assert!(signatures(&[]).is_empty() && signatures(&["AAAAB3NzaC1kc3M"]).is_empty());
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
        assert_eq!(HostKey::Key(LINE.into()).shown(), fingerprint(&key));
        assert_eq!(HostKey::Fingerprint(fingerprint(&key)).shown(), fingerprint(&key));
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
