//! A seed: what cloud-init finds in a guest's second disk at the first boot of an image that nobody has adapted.
//!
//! The form is cloud-init's data source `NoCloud`: an ISO 9660 volume named `cidata` with three files. All of them are YAML,
//! which takes JSON for its own.

use std::fs::{self, OpenOptions};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::failure::{Attempt, FailureKind, Result};
use crate::sys::limited;

/// How long the volume of a seed may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What would change a guest's system by itself, hours after it booted. A distribution need not have all of these units.
const UPGRADES: [&str; 8] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "apt-daily.service",
    "apt-daily-upgrade.service",
    "unattended-upgrades.service",
    "dnf-makecache.timer",
    "dnf-automatic.timer",
    "packagekit.service",
];

/// The file that keeps cloud-init from running at any later boot.
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";

/// Kinds of ssh host keys, each with cloud-init's name.
const KEY_KINDS: [(&str, &str); 3] =
    [("ssh-ed25519", "ed25519"), ("ecdsa-sha2-nistp256", "ecdsa"), ("ssh-rsa", "rsa")];

/// The identity of a guest, for cloud-init.
#[derive(Clone)]
pub struct CloudInitSeed<'a> {
    pub hostname: &'a str,
    /// The name of this one first boot: cloud-init does nothing of what follows where it has seen the name before.
    pub instance_id: &'a str,
    /// Who may log in, without a password. Anybody but root gets every right by `sudo`.
    pub user: &'a str,
    /// The public key of who logs in, as a line of `authorized_keys`.
    pub authorized_key: &'a str,
    pub host_key: SeedHostKey<'a>,
    pub network: SeedNetwork<'a>,
}

/// The ssh host key of a guest, which makes the first login one to a known guest.
#[derive(Clone, Copy)]
pub struct SeedHostKey<'a> {
    /// The private half, as `ssh-keygen` writes it.
    pub private: &'a str,
    /// The public half: its kind and its text.
    pub public: &'a str,
}

/// The only network card that cloud-init sets up in a guest.
#[derive(Debug, Clone, Copy)]
pub struct SeedNetwork<'a> {
    /// By which the card is known, whatever its name is.
    pub mac: &'a str,
    /// The static address, with its prefix.
    pub address: IpNet,
    /// The way to everywhere else; none for a guest that needs to reach only its own network.
    pub gateway: Option<IpAddr>,
}

impl CloudInitSeed<'_> {
    /// Writes the seed's volume to a file, which only its owner can read: it has a private key.
    ///
    /// # Errors
    ///
    /// A value is none that cloud-init takes, the file cannot be made, or there is no xorriso, which makes the volume.
    pub fn write(&self, path: &Path) -> Result<()> {
        let attempted = || format!("make the seed of guest {} in {}", self.hostname, path.display());
        let texts = [
            ("meta-data", self.meta_data()),
            ("network-config", self.network_config()),
            ("user-data", self.user_data()?),
        ];
        let beside = path.parent().unwrap_or(Path::new("."));
        let work = tempfile::Builder::new().prefix(".seed-").tempdir_in(beside).attempting(attempted)?;
        let (content, volume) = (work.path().join("content"), work.path().join("volume"));
        fs::create_dir(&content).attempting(attempted)?;
        for (name, text) in texts {
            fs::write(content.join(name), text).attempting(attempted)?;
        }
        // xorriso keeps the permissions of a file that is there.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&volume).attempting(attempted)?;
        let mut xorriso = Command::new("xorriso");
        xorriso
            .args(["-as", "mkisofs", "-quiet", "-V", "cidata", "-J", "-r", "-o"])
            .args([&volume, &content]);
        limited::run(&mut xorriso, "", LIMIT).attempting(attempted).map_err(|failure| {
            match failure.kind() {
                FailureKind::Missing => {
                    failure.try_next("./setup installs xorriso, which makes the seeds of guests")
                }
                _ => failure,
            }
        })?;
        fs::rename(&volume, path).attempting(attempted)
    }

    fn meta_data(&self) -> String {
        json!({ "instance-id": self.instance_id, "local-hostname": self.hostname }).to_string()
    }

    fn network_config(&self) -> String {
        let SeedNetwork { mac, address, gateway } = self.network;
        let routes: Vec<Value> = gateway
            .iter()
            .map(|via| json!({ "to": if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" }, "via": via }))
            .collect();
        json!({
            "version": 2,
            "ethernets": {
                "lan0": {
                    "match": { "macaddress": mac.to_lowercase() },
                    // Before netplan, Debian knows a card only by its name.
                    "set-name": "lan0",
                    "dhcp4": false,
                    "dhcp6": false,
                    "accept-ra": false,
                    "addresses": [address],
                    "routes": routes,
                },
            },
        })
        .to_string()
    }

    fn user_data(&self) -> Result<String> {
        let mut user = json!({
            "name": self.user,
            "lock_passwd": true,
            "ssh_authorized_keys": [self.authorized_key.trim()],
        });
        if self.user != "root" {
            user["sudo"] = "ALL=(ALL) NOPASSWD:ALL".into();
        }
        let kind = self.host_key_kind()?;
        let all = |verb: &'static str| [&["systemctl", verb][..], &UPGRADES[..]].concat();
        let config = json!({
            "hostname": self.hostname,
            "manage_etc_hosts": "localhost",
            "users": [user],
            "disable_root": self.user != "root",
            "ssh_pwauth": false,
            "ssh_deletekeys": true,
            "ssh_keys": {
                (format!("{kind}_private")): self.host_key.private,
                (format!("{kind}_public")): self.host_key.public.trim(),
            },
            // A larger root file system would be written while proofs look at it.
            "growpart": { "mode": "off" },
            "resize_rootfs": false,
            "package_update": false,
            "package_upgrade": false,
            "apt": { "preserve_sources_list": true },
            // Any other locale may be generated, which takes a minute where the CPU is emulated.
            "locale": "C.UTF-8",
            // A timer fails that is masked while it runs.
            "runcmd": [all("stop"), all("mask"), ["touch", DISABLED]],
        });
        Ok(format!("#cloud-config\n{config:#}\n"))
    }

    /// cloud-init's name for the kind of the host key.
    fn host_key_kind(&self) -> Result<&'static str> {
        let word = self.host_key.public.split_whitespace().next().unwrap_or_default();
        let known = KEY_KINDS.iter().find(|(kind, _)| *kind == word).map(|(_, name)| *name);
        let allowed = KEY_KINDS.map(|(kind, _)| kind).join(", ");
        known
            .ok_or_else(|| format!("its kind is `{word}`; allowed: {allowed}"))
            .attempting(|| format!("give guest {} an ssh host key", self.hostname))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rstest::rstest;

    use super::*;

    const PRIVATE: &str =
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\nbnNz\n-----END OPENSSH PRIVATE KEY-----\n";

    fn seed() -> CloudInitSeed<'static> {
        CloudInitSeed {
            hostname: "vm1-debian-13",
            instance_id: "run-1-vm1",
            user: "root",
            authorized_key: "ssh-ed25519 AAAA multivm\n",
            host_key: SeedHostKey { private: PRIVATE, public: "ssh-ed25519 BBBB vm1\n" },
            network: SeedNetwork {
                mac: "52:54:00:AB:CD:EF",
                address: "192.0.2.7/24".parse().unwrap(),
                gateway: None,
            },
        }
    }

    fn user_data(seed: &CloudInitSeed<'_>) -> Value {
        let text = seed.user_data().unwrap();
        serde_json::from_str(text.strip_prefix("#cloud-config\n").unwrap()).unwrap()
    }

    #[test]
    fn root_gets_a_key_and_the_guest_its_host_key() {
        let said = user_data(&seed());
        let root = json!([{ "name": "root", "lock_passwd": true, "ssh_authorized_keys": ["ssh-ed25519 AAAA multivm"] }]);
        assert_eq!((&said["users"], &said["disable_root"]), (&root, &json!(false)));
        assert_eq!(
            said["ssh_keys"],
            json!({ "ed25519_private": PRIVATE, "ed25519_public": "ssh-ed25519 BBBB vm1" })
        );
    }

    #[test]
    fn another_user_gets_every_right() {
        let said = user_data(&CloudInitSeed { user: "debian", ..seed() });
        assert_eq!(said["users"][0]["sudo"], "ALL=(ALL) NOPASSWD:ALL");
        assert_eq!(said["disable_root"], true);
    }

    #[test]
    fn a_guest_stays_as_its_image_is_and_forgets_cloud_init_after_its_first_boot() {
        let said = user_data(&seed());
        assert_eq!(said["growpart"]["mode"], "off");
        for off in ["resize_rootfs", "package_update", "package_upgrade", "ssh_pwauth"] {
            assert_eq!(said[off], false, "{off}");
        }
        let last = said["runcmd"].as_array().and_then(|commands| commands.last()).unwrap();
        assert_eq!(*last, json!(["touch", "/etc/cloud/cloud-init.disabled"]));
    }

    #[rstest]
    #[case::alone(None, json!([]))]
    #[case::ipv4(Some("192.0.2.1"), json!([{ "to": "0.0.0.0/0", "via": "192.0.2.1" }]))]
    #[case::ipv6(Some("2001:db8::1"), json!([{ "to": "::/0", "via": "2001:db8::1" }]))]
    fn a_card_is_known_by_its_mac(#[case] gateway: Option<&str>, #[case] routes: Value) {
        let mut seed = seed();
        seed.network.gateway = gateway.map(|text| text.parse().unwrap());
        let said: Value = serde_json::from_str(&seed.network_config()).unwrap();
        let card = &said["ethernets"]["lan0"];
        assert_eq!(said["version"], 2);
        assert_eq!(card["match"]["macaddress"], "52:54:00:ab:cd:ef");
        assert_eq!((&card["addresses"], &card["routes"]), (&json!(["192.0.2.7/24"]), &routes));
    }

    #[test]
    fn no_value_gets_out_of_its_quotes() {
        let odd = "it's \"odd\": \\ # {x}\n- é";
        let seed =
            CloudInitSeed { hostname: odd, instance_id: odd, user: odd, authorized_key: odd, ..seed() };
        let said = user_data(&seed);
        let meta: Value = serde_json::from_str(&seed.meta_data()).unwrap();
        for value in [
            &said["hostname"],
            &said["users"][0]["name"],
            &said["users"][0]["ssh_authorized_keys"][0],
            &meta["instance-id"],
            &meta["local-hostname"],
        ] {
            assert_eq!(value, odd);
        }
    }

    #[rstest]
    #[case::dsa("ssh-dss AAAA", "`ssh-dss`")]
    #[case::nothing("", "``")]
    fn a_host_key_of_another_kind_is_refused(#[case] public: &str, #[case] kind: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.iso");
        let host_key = SeedHostKey { private: PRIVATE, public };
        let said = CloudInitSeed { host_key, ..seed() }.write(&path).unwrap_err().to_string();
        assert!(
            said.contains("vm1-debian-13") && said.contains(kind) && said.contains("ssh-ed25519"),
            "{said}"
        );
        assert!(!path.exists());
    }

    #[test]
    fn a_seed_is_a_volume_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.iso");
        seed().write(&path).unwrap();
        // ECMA-119: the primary volume descriptor is the 17th sector, the name of the volume is at its 41st byte.
        let volume = fs::read(&path).unwrap();
        assert_eq!(
            (&volume[32769..32774], volume[32808..32840].trim_ascii_end()),
            (&b"CD001"[..], &b"cidata"[..])
        );
        let whole = String::from_utf8_lossy(&volume);
        assert!(whole.contains("#cloud-config") && whole.contains(&seed().meta_data()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["seed.iso"]);
        let nowhere = folder.path().join("nowhere/seed.iso");
        let said = seed().write(&nowhere).unwrap_err().to_string();
        assert!(
            said.contains("seed of guest vm1-debian-13 in") && said.contains("nowhere/seed.iso"),
            "{said}"
        );
    }
}
