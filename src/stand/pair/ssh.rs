//! The files by which programs of this machine log in to a pair: keys, known hosts, and a configuration for ssh.

use std::fs;
use std::path::{Path, PathBuf};

use super::PairHost;
use crate::failure::{Attempt, Result};
use crate::inventory::file::ListedHost;
use crate::inventory::{Access, SeededKey, Trust};
use crate::stand::keys;

/// The files of a run's logins, below its folder.
pub struct LoginFiles {
    folder: PathBuf,
}

impl LoginFiles {
    /// Makes the key pair of the run, which its guests take, too.
    pub fn create(folder: &Path, run: &str) -> Result<LoginFiles> {
        let files = LoginFiles { folder: folder.to_owned() };
        keys::keygen(&files.key(), &format!("multivm:{run}"))?;
        Ok(files)
    }

    pub fn key(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// Makes the host key of guests that get theirs from a seed.
    pub fn seeded_key(&self) -> Result<SeededKey> {
        keys::seeded_key(&self.folder)
    }

    fn config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    /// The command by which libvirt logs in.
    pub fn ssh_command(&self) -> PathBuf {
        self.folder.join("ssh")
    }

    /// Writes what ssh is to know of both hosts, which have proved these keys, and of the guests.
    pub fn write(&self, sides: &[PairHost<'_>; 2], guests: &str) -> Result<()> {
        let known: String =
            sides.iter().map(|side| format!("{} {}\n", side.name, side.identity.key)).collect();
        keys::write(&self.known_hosts(), &(known + guests), 0o600)?;
        let hosts: String = sides.iter().map(|side| self.host(side)).collect();
        let config = format!(
            "{hosts}Host *\n  UserKnownHostsFile {}\n  StrictHostKeyChecking yes\n  PasswordAuthentication no\n  BatchMode yes\n  \
             LogLevel ERROR\n  ServerAliveInterval 5\n",
            keys::config_word(&self.known_hosts())
        );
        keys::write(&self.config(), &config, 0o600)?;
        keys::write_ssh_command(&self.ssh_command(), &self.config())
    }

    /// A host's part of ssh's configuration. The host has the name of its side there, which is also its name among known hosts: whatever
    /// reaches it, by its address or through another machine, it is held to the same key.
    fn host(&self, PairHost { name, machine, .. }: &PairHost<'_>) -> String {
        let ListedHost { address, port, user, .. } = machine;
        let file = match &machine.access {
            Access::Key(path) => Some(path.clone()),
            Access::Password(_) => Some(self.key()),
            Access::Agent => None,
        };
        let key = file.map_or(String::new(), |file| {
            format!("  IdentityFile {}\n  IdentitiesOnly yes\n", keys::config_word(&file))
        });
        let jump = machine.jump.as_ref().map_or(String::new(), |jump| {
            // The way to the jump host is the user's own, with his configuration and his known hosts.
            format!("  ProxyCommand ssh -W '[%h]:%p' ssh://{jump}\n")
        });
        format!(
            "Host {name} {address}\n  HostName {address}\n  HostKeyAlias {name}\n  Port {port}\n  User {user}\n{key}{jump}"
        )
    }

    /// Makes sure that the folder can be used by its owner alone.
    pub fn protect(folder: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .attempting(|| format!("protect {}", folder.display()))
    }
}

/// The proof of a host's identity that later logins are held to.
pub fn trust(identity: &crate::remote::Identity) -> Trust {
    Trust::Key(crate::inventory::HostKey::Key(identity.key.clone()))
}
