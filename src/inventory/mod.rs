//! What a run works on: two hosts, a storage server and the guests' image, each described by what any machine
//! could be described by. The lab writes such a description; a list of real hosts is another one.

mod arch;
pub mod catalogue;
pub mod file;
mod image;
mod login;
mod secret;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

pub use arch::{ARCH_VARIABLE, Arch, ArchRow};
pub use image::{ImageEntry, SeededKey, UefiEntry};
pub use login::{Access, HostKey, Login, NameOnly, Sudo, Trust};
pub use secret::Secret;

/// Everything that is needed to reach a pair of hosts and to start guests on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// Id of whoever set these hosts up: a lab draws it at random when it is raised. Every domain and image that multivm
    /// makes here carries it, and no other is touched; the guests' UUIDs, MACs and addresses follow from it, so that each
    /// command that works here knows the guests of the one before.
    pub owner: String,
    pub source: HostEntry,
    pub target: HostEntry,
    pub storage: StorageEntry,
    pub guests: GuestsEntry,
    pub accelerator: Accelerator,
    /// How many times longer than elsewhere everything takes on these hosts; more than 1 where their own CPUs are emulated.
    #[serde(default = "ordinary", skip_serializing_if = "is_ordinary")]
    pub slowness: u32,
}

fn ordinary() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_ordinary(slowness: &u32) -> bool {
    *slowness == ordinary()
}

/// An address as it stands before a colon: one of IPv6 is in brackets.
pub fn bracketed(address: &str) -> Cow<'_, str> {
    if address.contains(':') { format!("[{address}]").into() } else { address.into() }
}

/// One libvirt host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostEntry {
    pub name: String,
    pub login: Login,
    /// What the host has, hundredths of a CPU.
    pub cpu_percent: u32,
    /// What the host has, bytes of memory.
    pub memory: u64,
    /// Folder on the host, on the storage that guests use: loads write files below it. multivm alone uses it.
    pub load_folder: String,
    /// Name of the control group in which everything of the host runs; none where the host is a machine of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_group: Option<String>,
    /// Whether only multivm makes anything on the host: what appears there beside its guests was left behind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_exclusive: bool,
    /// libvirt connection URI, as the harness uses it.
    pub uri: String,
    /// Address at which the host's QEMU receives guests; without one the other host is told the host's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration_address: Option<String>,
    /// What must be open on the host while it receives guests; none where nothing is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Facts worth a line in the record: suite, versions, size.
    pub facts: BTreeMap<String, String>,
}

/// The commands by which a host lets the other one's QEMU in, and shuts it out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    pub open: String,
    pub close: String,
}

/// The NFS server and the export that holds the guests' images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageEntry {
    pub name: String,
    pub login: Login,
    /// Whether only multivm makes anything on the server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_exclusive: bool,
    /// Address under which the hosts' QEMU reaches the server with its own NFS client; none where both hosts have mounted the
    /// export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Exported path, the same on the server's file system; where hosts have mounted it, the same there, too.
    pub export: String,
    /// File in the export: the parent of every guest's overlay.
    pub base_image: String,
}

/// The way in which guests boot and are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestsEntry {
    /// Kernel and initramfs, at the same path on both hosts: the destination's QEMU loads them too.
    pub kernel: String,
    pub initramfs: String,
    #[serde(default, skip_serializing_if = "Arch::is_of_hosts")]
    pub arch: Arch,
    /// Machine type of the guests; without one it follows from the older host's QEMU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// libvirt's `<cpu>` of guests under KVM; without one they get their host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Bridge that guests are attached to, on both hosts.
    pub bridge: String,
    /// The guests' addresses are taken from these.
    pub addresses: Ipv4Net,
    pub netmask: String,
    pub gateway: String,
    /// The MTU of the guests' network card; none where every frame of an ordinary one has room on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Private key for root in the guests.
    pub key: PathBuf,
    /// Public half, the base64 part only.
    pub public_key: String,
    pub known_hosts: PathBuf,
    /// The guests' ssh host key, "ssh-ed25519 BASE64".
    pub host_key: String,
    /// The images of a catalogue that guests boot from; none without a catalogue, when all boot the base image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageEntry>,
    /// The ssh host key of guests that get theirs from a seed, where there may be such guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeded_key: Option<SeededKey>,
    /// The firmware of guests that boot by UEFI, where there may be such guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uefi: Option<UefiEntry>,
}

/// The accelerator that guests use, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accelerator {
    pub kind: AcceleratorKind,
    pub reason: String,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.reason)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AcceleratorKind {
    Kvm,
    Tcg,
}

impl fmt::Display for AcceleratorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AcceleratorKind::Kvm => "KVM",
            AcceleratorKind::Tcg => "TCG",
        })
    }
}
