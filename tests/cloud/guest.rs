//! A guest: an overlay over an image, a seed, and ssh.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use multivm::image::{Firmware, Seed, SeedHostKey, SeedNetwork};
use multivm::sys::stop::StopFlag;
use multivm::sys::wait::{Poll, wait_for};

use crate::qemu::{Boot, Qemu, inside};

/// Longer than a boot takes on a busy machine without KVM.
const LIMIT: Duration = Duration::from_secs(1200);

const MAC: &str = "52:54:00:12:34:56";
const ADDRESS: &str = "10.0.2.15";

/// What tells a guest from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub hostname: String,
    pub machine_id: String,
}

pub struct Guest {
    name: &'static str,
    tree: PathBuf,
    images: PathBuf,
    own: PathBuf,
    firmware: String,
    port: u16,
}

impl Guest {
    pub fn make(name: &'static str, folder: &Path, tree: &Path, image: &Path, firmware: &Firmware) -> Guest {
        let own = folder.join(name);
        fs::create_dir(&own).unwrap();
        for key in ["key", "host_key"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(own.join(key)));
        }
        let text = |name: &str| fs::read_to_string(own.join(name)).unwrap();
        let (authorized_key, private, public) = (text("key.pub"), text("host_key"), text("host_key.pub"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs::write(own.join("known_hosts"), format!("[127.0.0.1]:{port} {public}")).unwrap();
        let seed = Seed {
            hostname: name,
            instance_id: name,
            user: "root",
            authorized_key: &authorized_key,
            host_key: SeedHostKey { private: &private, public: &public },
            network: SeedNetwork {
                mac: MAC,
                address: format!("{ADDRESS}/24").parse().unwrap(),
                gateway: None,
            },
        };
        seed.write(&own.join("seed.iso")).unwrap();
        fs::copy(&firmware.variables, own.join("variables.fd")).unwrap();
        // The images of one cache are in folders beside each other.
        let images = image.parent().and_then(Path::parent).unwrap().to_owned();
        let below = |path: &Path| format!("/mnt/images/{}", path.strip_prefix(&images).unwrap().display());
        let (base, firmware) = (below(image), below(&firmware.code));
        let overlay =
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &base, "/mnt/own/disk.qcow2"];
        run(&mut inside(tree, &images, &own, &overlay));
        Guest { name, tree: tree.to_owned(), images, own, firmware, port }
    }

    /// Boots the guest, lets `settled` look at it, and shuts it down.
    pub fn boot(&self, boot: Boot, with_seed: bool, settled: fn(&Guest)) -> Identity {
        let begin = Instant::now();
        let mut qemu = Qemu::start(self.qemu(boot, with_seed));
        let stop = StopFlag::new();
        let login = wait_for(&format!("a login to guest {}", self.name), LIMIT, &stop, || {
            if qemu.has_ended() {
                return Poll::Never("QEMU ended".into());
            }
            match self.ssh("true") {
                Ok(_) => Poll::Ready(()),
                Err(said) => Poll::NotYet(said),
            }
        });
        let console = || fs::read_to_string(self.own.join("console")).unwrap_or_default();
        login.unwrap_or_else(|failure| panic!("{failure}\n{}", console()));
        let login = begin.elapsed().as_secs_f64();
        settled(self);
        println!(
            "{} by {boot:?}: login after {login:.0} s, settled after {:.0} s",
            self.name,
            begin.elapsed().as_secs_f64()
        );
        assert_eq!(self.said("test -d /sys/firmware/efi && echo Uefi || echo Bios"), format!("{boot:?}"));
        let identity =
            Identity { hostname: self.said("hostname"), machine_id: self.said("cat /etc/machine-id") };
        // The connection may end before the command does.
        let _ = self.ssh("systemctl poweroff");
        let ended = || if qemu.has_ended() { Poll::Ready(()) } else { Poll::NotYet("it runs".into()) };
        wait_for(&format!("guest {} to shut down", self.name), LIMIT, &stop, ended).unwrap();
        assert!(console().contains("Linux version"), "no kernel on the serial console:\n{}", console());
        identity
    }

    /// cloud-init has done all of its work, and nothing that was not asked for.
    pub fn settled_at_its_first_boot(&self) {
        let result = wait_for("the end of cloud-init", LIMIT, &StopFlag::new(), || {
            self.ssh(&format!("cat {}", Seed::RESULT)).map_or_else(Poll::NotYet, Poll::Ready)
        });
        let result: serde_json::Value = serde_json::from_str(&result.unwrap()).unwrap();
        assert_eq!(result["v1"]["errors"], serde_json::json!([]), "{result}");
        assert!(result["v1"]["datasource"].to_string().contains("DataSourceNoCloud"), "{result}");
        assert_eq!(self.said("systemctl is-system-running --wait || systemctl --failed"), "running");
        assert_eq!(self.said("systemctl is-enabled apt-daily.timer || true"), "masked");
        assert!(self.said("ip -o -4 address show scope global").contains(&format!("{ADDRESS}/24")));
        assert_eq!(self.said("ls /etc/ssh/ssh_host_*_key"), "/etc/ssh/ssh_host_ed25519_key");
        assert_eq!(self.said("cut -d: -f2 /etc/shadow | grep -vc '^[!*]' || true"), "0", "a password is set");
    }

    /// cloud-init does not run.
    pub fn settled_later(&self) {
        let status = self.said("cloud-init status --long || true");
        assert!(status.contains("status: disabled"), "{status}");
        assert_eq!(self.said("systemctl is-active cloud-init.target || true"), "inactive");
    }

    fn qemu(&self, boot: Boot, with_seed: bool) -> Command {
        let port = self.port;
        let net = format!("user,id=lan,restrict=on,hostfwd=tcp:127.0.0.1:{port}-{ADDRESS}:22");
        let card = format!("virtio-net-pci,netdev=lan,mac={MAC}");
        let code = format!("if=pflash,format=raw,readonly=on,file={}", self.firmware);
        let mut arguments =
            vec!["qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-cpu", "qemu64", "-m", "512"];
        arguments.extend([
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-serial",
            "file:/mnt/own/console",
        ]);
        arguments.extend(["-drive", "if=virtio,format=qcow2,file=/mnt/own/disk.qcow2"]);
        arguments.extend(["-netdev", &net, "-device", &card, "-device", "virtio-rng-pci"]);
        if with_seed {
            arguments.extend(["-drive", "if=virtio,format=raw,readonly=on,file=/mnt/own/seed.iso"]);
        }
        if boot == Boot::Uefi {
            arguments.extend(["-drive", &code, "-drive", "if=pflash,format=raw,file=/mnt/own/variables.fd"]);
        }
        inside(&self.tree, &self.images, &self.own, &arguments)
    }

    /// What a command in the guest says.
    fn said(&self, command: &str) -> String {
        self.ssh(command).unwrap_or_else(|said| panic!("{command}: {said}"))
    }

    /// Runs a command in the guest, whose host key is known from the beginning.
    fn ssh(&self, command: &str) -> Result<String, String> {
        let known = format!("UserKnownHostsFile={}", self.own.join("known_hosts").display());
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-p", &self.port.to_string(), "-o", &known, "-i"]).arg(self.own.join("key"));
        for option in [
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            "ConnectTimeout=20",
            "ServerAliveInterval=20",
            "ServerAliveCountMax=30",
        ] {
            ssh.args(["-o", option]);
        }
        let output = ssh.arg("root@127.0.0.1").arg(command).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
