//! The files that a lab writes for its hosts: new keys, ssh's files, and each host's topmost layer.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;

use super::network;
use crate::failure::{Attempt, Result};
use crate::inventory::{Login, SeededKey};
use crate::stand::keys::{self, keygen, read, uuid, write};

const SSHD_CONFIG: &str = include_str!("../../../fixtures/host/sshd_config");
const LIBVIRTD_CONF: &str = include_str!("../../../fixtures/host/libvirtd.conf");
const QEMU_CONF: &str = include_str!("../../../fixtures/host/qemu.conf");
const GANESHA_CONF: &str = include_str!("../../../fixtures/storage/ganesha.conf");

/// The lab's machines by their names in ssh's configuration and /etc/hosts.
const HOSTS: [(&str, &str); 3] = [
    ("storage", network::SWITCH_ADDRESS),
    ("source", network::SOURCE_ADDRESS),
    ("target", network::TARGET_ADDRESS),
];

pub struct Files {
    directory: PathBuf,
}

impl Files {
    /// Makes the key pair and ssh's files in the lab's directory.
    pub fn create(directory: &Path) -> Result<Files> {
        fs::set_permissions(directory, Permissions::from_mode(0o700))
            .attempting(|| format!("protect {}", directory.display()))?;
        let files = Files { directory: directory.to_owned() };
        keygen(&files.key(), "multivm")?;
        let hosts: String =
            HOSTS.map(|(name, address)| format!("Host {name}\n  HostName {address}\n")).concat();
        let config = format!(
            "{hosts}Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
             StrictHostKeyChecking yes\n  PasswordAuthentication no\n  LogLevel ERROR\n  ServerAliveInterval 5\n",
            keys::config_word(&files.key()),
            keys::config_word(&files.known_hosts()),
        );
        let path = directory.join("ssh_config");
        write(&path, &config, 0o600)?;
        keys::write_ssh_command(&files.ssh_command(), &path)?;
        write(&files.known_hosts(), "", 0o600)?;
        Ok(files)
    }

    pub fn key(&self) -> PathBuf {
        self.directory.join("id_ed25519")
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }

    pub fn ssh_command(&self) -> PathBuf {
        self.directory.join("ssh")
    }

    /// The base64 part of the public key.
    pub fn public_key(&self) -> Result<String> {
        keys::public_half(&self.key())
    }

    /// Makes the host key of guests that get theirs from a seed.
    pub fn seeded_key(&self) -> Result<SeededKey> {
        keys::seeded_key(&self.directory)
    }

    pub fn login(&self, address: &str) -> Login {
        Login::of_root(address, 22, self.key(), self.known_hosts())
    }

    /// Writes the guests' host key into known_hosts, for every address a guest may have.
    pub fn know_guests(&self, addresses: Ipv4Net, host_key: &str) -> Result<()> {
        let lines: String = addresses.hosts().map(|address| format!("{address} {host_key}\n")).collect();
        self.know(&lines)
    }

    /// The topmost layer of a libvirt host.
    pub fn host_layer(&self, lab: &Path, name: &str, address: &str) -> Result<PathBuf> {
        let layer = self.common_layer(lab, name, address)?;
        let libvirt = layer.join("etc/libvirt");
        make(&libvirt, 0o755)?;
        let uuid = uuid()?;
        write(&libvirt.join("libvirtd.conf"), &format!("{LIBVIRTD_CONF}host_uuid = \"{uuid}\"\n"), 0o644)?;
        // Without an address of its own the destination announces its host name, which the source would have to resolve.
        let migration = format!("migration_address = \"{address}\"\nmigration_host = \"{address}\"\n");
        write(&libvirt.join("qemu.conf"), &format!("{QEMU_CONF}{migration}"), 0o600)?;
        Ok(layer)
    }

    /// The topmost layer of the storage server.
    pub fn storage_layer(&self, lab: &Path, name: &str, address: &str) -> Result<PathBuf> {
        let layer = self.common_layer(lab, name, address)?;
        make(&layer.join("etc/ganesha"), 0o755)?;
        write(&layer.join("etc/ganesha/ganesha.conf"), GANESHA_CONF, 0o644)?;
        Ok(layer)
    }

    fn common_layer(&self, lab: &Path, name: &str, address: &str) -> Result<PathBuf> {
        let layer = lab.join(name).join("layer");
        make(&layer.join("etc/ssh"), 0o755)?;
        make(&layer.join("root/.ssh"), 0o700)?;
        fs::set_permissions(layer.join("root"), Permissions::from_mode(0o700))
            .attempting(|| "protect the host's /root".into())?;
        write(&layer.join("etc/ssh/sshd_config"), SSHD_CONFIG, 0o644)?;
        let host_key = layer.join("etc/ssh/ssh_host_ed25519_key");
        keygen(&host_key, name)?;
        let public = read(&host_key.with_extension("pub"))?;
        let words: Vec<&str> = public.split_whitespace().take(2).collect();
        self.know(&format!("{address} {}\n", words.join(" ")))?;
        let authorized = read(&self.key().with_extension("pub"))?;
        write(&layer.join("root/.ssh/authorized_keys"), &authorized, 0o600)?;
        write(&layer.join("etc/hostname"), &format!("{name}\n"), 0o644)?;
        write(&layer.join("etc/machine-id"), &format!("{}\n", uuid()?.replace('-', "")), 0o444)?;
        let hosts = HOSTS.map(|(name, address)| format!("{address} {name}\n")).concat();
        write(&layer.join("etc/hosts"), &format!("127.0.0.1 localhost\n{hosts}"), 0o644)?;
        // Ganesha 3.4 (Debian 11) exports nothing without this file, and refuses every mount; systemd would make the file.
        let mtab = layer.join("etc/mtab");
        symlink("../proc/self/mounts", &mtab).attempting(|| format!("make {}", mtab.display()))?;
        Ok(layer)
    }

    fn know(&self, lines: &str) -> Result<()> {
        let path = self.known_hosts();
        OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(lines.as_bytes()))
            .attempting(|| format!("write {}", path.display()))
    }
}

fn make(path: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(path).attempting(|| format!("create {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(mode))
        .attempting(|| format!("protect {}", path.display()))
}
