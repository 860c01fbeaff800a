//! The way to log in to a machine. Keys are named by path and passwords by reference: no secret is in here.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Secret;
use crate::axis::axis;

/// A way to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Name or address.
    pub address: String,
    pub port: u16,
    pub user: String,
    pub access: Access,
    /// Why the machine is believed to be the one that is meant.
    pub trust: Trust,
    /// The machine through which ssh goes, as in OpenSSH's ProxyJump; none if it goes there directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<String>,
    /// The way in which commands become root's.
    #[serde(default = "Sudo::no", skip_serializing_if = "Sudo::is_no")]
    pub sudo: Sudo,
    /// How many times longer than elsewhere everything may take there.
    #[serde(default = "super::ordinary", skip_serializing_if = "super::is_ordinary")]
    pub slowness: u32,
}

/// The credentials of a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// The keys that ssh-agent holds.
    Agent,
    /// A private key file.
    Key(PathBuf),
    /// A password, which is read when it is needed.
    Password(Secret),
}

/// The proof of a machine's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// A file in OpenSSH's format; a machine that is not in it, or has another key, is refused.
    Known(PathBuf),
    /// A file in OpenSSH's format, to which a machine that is not in it is added at the first contact.
    FirstContact(PathBuf),
    /// The machine's key, or its fingerprint.
    Key(HostKey),
}

/// A host key, as OpenSSH writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostKey {
    /// `ssh-ed25519 BASE64` and the like.
    Key(String),
    /// `SHA256:BASE64`.
    Fingerprint(String),
}

/// The row of a choice of which only the name is known here.
pub struct NameOnly {
    pub name: &'static str,
}

axis! {
    /// The way to become root on a host.
    Sudo, "sudo", NameOnly {
        No => NameOnly { name: "no" },
        Nopasswd => NameOnly { name: "nopasswd" },
        Password => NameOnly { name: "password" },
    }
}

impl Login {
    /// The login of root, directly, by a key, to a machine that is in `known_hosts`.
    pub fn of_root(
        address: impl Into<String>,
        port: u16,
        key: impl Into<PathBuf>,
        known_hosts: impl Into<PathBuf>,
    ) -> Login {
        Login {
            address: address.into(),
            port,
            user: "root".to_owned(),
            access: Access::Key(key.into()),
            trust: Trust::Known(known_hosts.into()),
            jump: None,
            sudo: Sudo::No,
            slowness: super::ordinary(),
        }
    }
}

impl Sudo {
    fn no() -> Sudo {
        Sudo::No
    }

    fn is_no(&self) -> bool {
        *self == Sudo::No
    }
}

impl Serialize for Sudo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sudo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sudo, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
