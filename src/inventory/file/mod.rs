//! Pairs of hosts as a user writes them down: a TOML file.
//!
//! The file says where hosts are, how multivm logs in, where guests' images lie, how guests reach each other, and what multivm may
//! change. It has no secret in it. Reading it touches nothing but the file.

mod consent;
mod form;
mod load;
mod local;
mod masked;
mod raw;
mod read;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;

pub use consent::Consent;
pub(in crate::inventory) use load::masked_toml_error;

use super::{Access, HostKey, Login, NameOnly, Secret, Sudo, Trust};
use crate::axis::axis;
use crate::failure::InputError;
use crate::failure::input::quoted;

/// The pairs of an inventory file, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryFile {
    /// The file's name as the user knows it.
    pub name: String,
    pub pairs: Vec<Pair>,
    /// Whether the file is a catalogue, too: it has images or guests.
    pub has_guests: bool,
}

/// Two hosts between which guests migrate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub name: String,
    /// Words by which a run can choose the pair, too.
    pub labels: Vec<String>,
    /// The catalogue of the pair's guests, if the pair names one.
    pub catalogue: Option<PathBuf>,
    pub source: ListedHost,
    pub target: ListedHost,
    pub storage: SharedStorage,
    /// The most GiB of guests' images that may stay in the storage for later runs; without a number none.
    pub keep_gib: Option<u32>,
    pub network: Network,
    pub allow: Vec<Consent>,
}

/// A host, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedHost {
    /// Name or address at which sshd listens.
    pub address: String,
    /// Address at which QEMU receives guests.
    pub migration_address: String,
    /// Address from which the host reaches the storage, and at which it serves it.
    pub storage_address: String,
    pub port: u16,
    pub user: String,
    pub sudo: Sudo,
    pub access: Access,
    /// The host key, or its fingerprint; without one the first contact decides.
    pub host_key: Option<HostKey>,
    /// The machine through which ssh goes, as in OpenSSH's ProxyJump.
    pub jump: Option<String>,
    /// libvirt's URI, where the ordinary one does not fit.
    pub uri: Option<String>,
}

axis! {
    /// The machine that serves the guests' images where multivm sets up NFS.
    Server, "serve_on", NameOnly {
        Controller => NameOnly { name: "controller" },
        Source => NameOnly { name: "source" },
        Target => NameOnly { name: "target" },
    }
}

/// The storage that both hosts share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedStorage {
    /// A folder that is mounted at the same path on both hosts.
    Mount(PathBuf),
    /// An NFS export of the site, which multivm mounts.
    Export {
        /// The server's name or address.
        server: String,
        path: PathBuf,
    },
    /// A folder that multivm exports and mounts.
    ServeOn(Server),
}

/// The network that guests are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// A bridge of the site, of the same name on both hosts.
    Bridge {
        bridge: String,
        /// The bridge's subnet.
        subnet: Ipv4Net,
        /// The part of the bridge's subnet from which guests get their addresses.
        guests: Ipv4Net,
        gateway: Option<Ipv4Addr>,
    },
    /// A subnet of multivm's own, over links that it makes on both hosts and deletes.
    Overlay(Ipv4Net),
    /// libvirt's own network on each host: no guest is reachable from outside.
    Nat,
}

impl ListedHost {
    /// The login to the machine. One whose key the inventory does not have is added to `known_hosts` at the first contact.
    pub fn login(&self, known_hosts: &Path) -> Login {
        Login {
            address: self.address.clone(),
            port: self.port,
            user: self.user.clone(),
            access: self.access.clone(),
            trust: match &self.host_key {
                Some(key) => Trust::Key(key.clone()),
                None => Trust::FirstContact(known_hosts.to_owned()),
            },
            jump: self.jump.clone(),
            sudo: self.sudo,
            slowness: super::ordinary(),
        }
    }
}

impl InventoryFile {
    /// The file of the keys of hosts that this inventory has no key of: beside it, with its name.
    pub fn known_hosts(&self) -> PathBuf {
        let file = Path::new(&self.name);
        std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).with_extension("known_hosts")
    }

    /// The file that lists the guests of a pair: the one that the pair names, or this one, if it has guests. It is read when guests are
    /// wanted: hosts are put back whether images are there or not.
    pub fn catalogue(&self, pair: &Pair) -> Option<PathBuf> {
        pair.catalogue.clone().or_else(|| self.has_guests.then(|| PathBuf::from(&self.name)))
    }

    /// Every host.
    pub fn machines(&self) -> impl Iterator<Item = &ListedHost> {
        self.pairs.iter().flat_map(|pair| [&pair.source, &pair.target])
    }

    /// The pair that a run asks for: by its name, or by a label that it alone has. Without a wish the only pair of the file.
    ///
    /// # Errors
    /// None or several fit.
    pub fn pair(&self, wish: Option<&str>) -> Result<&Pair, InputError> {
        let named = self.pairs.iter().find(|pair| wish.is_some_and(|wish| pair.name == wish));
        if let Some(pair) = named {
            return Ok(pair);
        }
        let has = |pair: &&Pair| wish.is_none_or(|wish| pair.labels.iter().any(|label| label == wish));
        let fits: Vec<&Pair> = self.pairs.iter().filter(has).collect();
        let names = || quoted(self.pairs.iter().map(|pair| pair.name.as_str()));
        match (&fits[..], wish) {
            ([pair], _) => Ok(pair),
            ([], wish) => {
                let what = format!("{} has no pair `{}`", self.name, wish.unwrap_or_default());
                Err(InputError::new(&what, &[format!("declared there: {}", names())]))
            }
            (_, None) => {
                let what = format!("{} has {} pairs, and none is chosen", self.name, self.pairs.len());
                Err(InputError::new(&what, &[format!("choose one with --pair: {}", names())]))
            }
            (several, Some(wish)) => {
                let what = format!("{} has {} pairs with the label `{wish}`", self.name, several.len());
                let several = quoted(several.iter().map(|pair| pair.name.as_str()));
                Err(InputError::new(&what, &[format!("choose one by its name: {several}")]))
            }
        }
    }
}

/// The folders that paths in a file begin at.
#[derive(Debug, Clone, Copy)]
pub struct Folders<'a> {
    /// The folder of the file, for a relative path.
    pub file: &'a Path,
    /// The user's home, for `~/`.
    pub home: Option<&'a Path>,
}

impl Folders<'_> {
    /// The path that a text in the file means; none for one in the home of a user who has none.
    pub fn resolve(&self, text: &str) -> Option<PathBuf> {
        match text.strip_prefix("~/") {
            Some(rest) => self.home.map(|home| home.join(rest)),
            None => Some(self.file.join(text)),
        }
    }
}

#[cfg(test)]
mod tests;
