//! Raises the lab's hosts: their parts, and their start.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::files::Files;
use super::init::{self, HostDaemon, HostSpec};
use super::prepared::Prepared;
use super::root::Bind;
use super::{as_raised, cgroup, network};
use crate::failure::{Attempt, Result};
use crate::image::{Firmware, HostImage};
use crate::inventory::{GuestsEntry, HostEntry, ImageEntry, Inventory, StorageEntry, UefiEntry};
use crate::ledger::{Ledger, Thing, state_directory};
use crate::remote::Remote;
use crate::remote::protocol::OUTER_PROC;
use crate::stand::settings::{HostSize, Settings};
use crate::stand::{Ground, StandKind, ip, keys, masters};
use crate::sys::parallel::at_once;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// The path of the guests' kernel and initramfs inside a host.
const GUEST_FILES: &str = "/var/lib/multivm/guest";
/// The path of the firmware of guests that boot by UEFI, inside a host.
const FIRMWARE_FILES: &str = "/var/lib/multivm/firmware";
/// The folder of a host's loads, inside the host. It lies in the export, but the host reaches it by its own path instead of
/// NFS, for which the machine's kernel may have no client. A load that writes there takes disk time from the storage
/// server, but none of the server's own time.
const LOAD_FOLDER: &str = "/var/lib/multivm/loads";
const EXPORT: &str = "/export";
const BASE_IMAGE: &str = "base.qcow2";

/// How long a host may take to answer by ssh.
const HOST_LIMIT: Duration = Duration::from_secs(30);

/// The directory of a running lab.
pub(super) fn directory() -> PathBuf {
    StandKind::Lab.directory(&state_directory())
}

/// Raises the hosts and the storage server, and returns their inventory and the processes that started them. This process
/// must be in the switch's namespace. `guests_memory` is the memory of all guests in bytes: hosts have room for it unless
/// the user gives them a size.
pub fn raise(
    prepared: &Prepared,
    settings: &Settings,
    guests_memory: u64,
    ground: Ground<'_>,
) -> Result<(Inventory, Vec<Child>)> {
    let Ground { ledger, stop } = ground;
    let directory = directory();
    ledger.enter(Thing::Directory { path: directory.clone() })?;
    fs::create_dir_all(&directory).attempting(|| format!("create {}", directory.display()))?;
    let files = Files::create(&directory)?;
    let guest_key = read_line(&prepared.guest.directory.join("host_key.pub"))?;

    let plan =
        HostPlan { directory: &directory, files: &files, ledger, size: settings.host_size(guests_memory) };
    let storage = plan.storage(&prepared.source)?;
    let source = plan.host(
        "source",
        network::SOURCE_ADDRESS,
        &prepared.source,
        settings.source_layer.as_deref(),
        prepared,
    )?;
    let target = plan.host(
        "target",
        network::TARGET_ADDRESS,
        &prepared.target,
        settings.target_layer.as_deref(),
        prepared,
    )?;
    let owner = keys::uuid()?;
    let addresses = network::guest_addresses(&owner);
    files.know_guests(addresses, &guest_key)?;

    plan.export_base_image(prepared)?;

    let images = masters::entries(settings.catalogue.as_ref(), BASE_IMAGE)?;
    masters::copy(settings.catalogue.as_ref(), &images, &plan.export(), ground)?;

    let inventory = Inventory {
        owner,
        source: source.0,
        target: target.0,
        storage: storage.0,
        guests: guests(prepared, &files, addresses, guest_key, images)?,
        accelerator: prepared.accelerator.clone(),
        slowness: 1,
    };
    await_hosts(&inventory, &directory, stop)?;
    as_raised::note(&inventory, &directory, stop)?;
    let text = serde_json::to_string_pretty(&inventory).attempting(|| "write the inventory".into())?;
    let path = directory.join("inventory.json");
    fs::write(&path, text).attempting(|| format!("write {}", path.display()))?;
    Ok((inventory, vec![storage.1, source.1, target.1]))
}

/// What all guests have in common, and the images that they boot from.
fn guests(
    prepared: &Prepared,
    files: &Files,
    addresses: Ipv4Net,
    host_key: String,
    images: Vec<ImageEntry>,
) -> Result<GuestsEntry> {
    let has_seeds = images.iter().any(|image| image.master.is_some());
    let seeded_key = has_seeds.then(|| files.seeded_key()).transpose()?;
    if let Some(key) = &seeded_key {
        // For a user's shell, which knows a guest by its address.
        files.know_guests(addresses, &key.public)?;
    }
    Ok(GuestsEntry {
        kernel: format!("{GUEST_FILES}/vmlinux"),
        initramfs: format!("{GUEST_FILES}/initramfs"),
        arch: prepared.arch,
        machine: None,
        cpu: None,
        bridge: network::BRIDGE.into(),
        addresses,
        netmask: network::NETWORK.netmask().to_string(),
        gateway: network::SWITCH_ADDRESS.into(),
        mtu: None,
        key: files.key(),
        public_key: files.public_key()?,
        known_hosts: files.known_hosts(),
        host_key,
        images,
        seeded_key,
        uefi: prepared.firmware.as_ref().map(uefi),
    })
}

/// Waits for all hosts at once until each answers by ssh.
pub(super) fn await_hosts(inventory: &Inventory, directory: &Path, stop: &StopFlag) -> Result<()> {
    let logins = [
        (&inventory.storage.name, &inventory.storage.login),
        (&inventory.source.name, &inventory.source.login),
        (&inventory.target.name, &inventory.target.login),
    ];
    at_once("wait for a host", logins, |(name, login)| {
        let remote = Remote::new(name.as_str(), login.clone());
        wait_for(&format!("host {name} to answer by ssh"), HOST_LIMIT, stop, || {
            match remote.check("true", Duration::from_secs(5)) {
                Ok(_) => Poll::Ready(()),
                Err(failure) => Poll::again(failure.cause),
            }
        })
        .map_err(|failure| failure.try_next(format!("read {}", init::log(directory, name).display())))
    })
    .into_iter()
    .collect()
}

struct HostPlan<'a> {
    directory: &'a Path,
    files: &'a Files,
    ledger: &'a Ledger,
    size: HostSize,
}

impl HostPlan<'_> {
    /// Starts a libvirt host.
    fn host(
        &self,
        name: &str,
        address: &str,
        image: &HostImage,
        own: Option<&Path>,
        prepared: &Prepared,
    ) -> Result<(HostEntry, Child)> {
        let namespace = format!("multivm-{name}");
        network::create_host(&namespace, name, address, self.ledger)?;
        let groups = cgroup::create(&namespace, self.size, self.ledger)?;
        let layer = self.files.host_layer(self.directory, name, address)?;
        let loads = self.export().join(format!("loads-{name}"));
        fs::create_dir_all(&loads).attempting(|| format!("create {}", loads.display()))?;
        let layers = [Some(layer), own.map(Path::to_owned), Some(image.root.clone())];
        let mut binds = vec![
            Bind { from: prepared.guest.directory.clone(), to: GUEST_FILES.into(), read_only: true },
            Bind { from: loads, to: LOAD_FOLDER.into(), read_only: false },
        ];
        if let Some(folder) = prepared.firmware.as_ref().and_then(|firmware| firmware.code.parent()) {
            binds.push(Bind { from: folder.to_owned(), to: FIRMWARE_FILES.into(), read_only: true });
        }
        let spec = HostSpec {
            hostname: name.into(),
            network: ip::path(&namespace),
            joins: groups.joins,
            root: self.root(name)?,
            layers: layers.into_iter().flatten().collect(),
            binds,
            daemons: vec![daemon("/usr/sbin/sshd -D -e"), daemon("/usr/sbin/libvirtd")],
        };
        let supervisor = self.start(name, &spec)?;
        let mut facts = BTreeMap::from([
            ("suite".to_owned(), image.facts.suite.clone()),
            ("qemu_package".to_owned(), image.facts.qemu.clone()),
            ("libvirt_package".to_owned(), image.facts.libvirt.clone()),
            ("cpus".to_owned(), format!("{:.2}", f64::from(self.size.cpu_percent) / 100.0)),
            ("memory_mib".to_owned(), (self.size.memory >> 20).to_string()),
        ]);
        if !prepared.arch.is_of_hosts() {
            facts.insert("guest_arch".to_owned(), prepared.arch.to_string());
        }
        if let Some(own) = own {
            facts.insert("layer".to_owned(), own.display().to_string());
        }
        let entry = HostEntry {
            name: name.into(),
            login: self.files.login(address),
            cpu_percent: self.size.cpu_percent,
            memory: self.size.memory,
            load_folder: LOAD_FOLDER.into(),
            control_group: Some(namespace),
            is_exclusive: true,
            uri: keys::libvirt_uri("root", address, &self.files.ssh_command()),
            // Its qemu.conf has its address, and no firewall is in the way.
            migration_address: None,
            gate: None,
            facts,
        };
        Ok((entry, supervisor))
    }

    /// Starts the storage server, in the switch's namespace.
    fn storage(&self, image: &HostImage) -> Result<(StorageEntry, Child)> {
        let name = "storage";
        let export = self.export();
        fs::create_dir_all(&export).attempting(|| format!("create {}", export.display()))?;
        let layer = self.files.storage_layer(self.directory, name, network::SWITCH_ADDRESS)?;
        let spec = HostSpec {
            hostname: name.into(),
            network: ip::path(network::SWITCH),
            joins: Vec::new(),
            root: self.root(name)?,
            layers: vec![layer, image.root.clone()],
            binds: vec![
                Bind { from: export, to: EXPORT.into(), read_only: false },
                // Somebody on this machine may have an image open, too.
                Bind { from: "/proc".into(), to: OUTER_PROC.into(), read_only: true },
            ],
            daemons: vec![
                daemon("/usr/sbin/sshd -D -e"),
                HostDaemon { socket: Some("/run/rpcbind.sock".into()), ..daemon("/sbin/rpcbind -f -w") },
                // The server registers with rpcbind when it starts.
                HostDaemon {
                    with_the_one_before: true,
                    ..daemon(
                        "/usr/bin/ganesha.nfsd -F -L /var/log/multivm/nfs.log -f /etc/ganesha/ganesha.conf",
                    )
                },
            ],
        };
        let supervisor = self.start(name, &spec)?;
        let entry = StorageEntry {
            is_exclusive: true,
            name: name.into(),
            login: self.files.login(network::SWITCH_ADDRESS),
            server: Some(network::SWITCH_ADDRESS.into()),
            export: EXPORT.into(),
            base_image: BASE_IMAGE.into(),
        };
        Ok((entry, supervisor))
    }

    /// The exported directory by its path on this machine.
    fn export(&self) -> PathBuf {
        self.directory.join("export")
    }

    /// Copies the image on which those of all guests stand into the export.
    fn export_base_image(&self, prepared: &Prepared) -> Result<()> {
        let base = prepared.guest.directory.join(BASE_IMAGE);
        let copied = fs::copy(&base, self.export().join(BASE_IMAGE));
        copied.map(drop).attempting(|| format!("copy {}", base.display()))
    }

    fn root(&self, name: &str) -> Result<PathBuf> {
        let root = self.directory.join(name).join("root");
        fs::create_dir_all(&root).attempting(|| format!("create {}", root.display()))?;
        Ok(root)
    }

    fn start(&self, name: &str, spec: &HostSpec) -> Result<Child> {
        let path = self.directory.join(name).join("spec.json");
        let text = serde_json::to_string_pretty(spec).attempting(|| format!("describe host {name}"))?;
        fs::write(&path, text).attempting(|| format!("write {}", path.display()))?;
        let waiting = init::start(&path, &init::log(self.directory, name))?;
        self.ledger.enter(Thing::process(waiting.init, &init::title(name))?)?;
        waiting.release()
    }
}

/// The files of a firmware, inside a host.
fn uefi(firmware: &Firmware) -> UefiEntry {
    let inside = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("{FIRMWARE_FILES}/{name}")
    };
    let own = "/var/lib/libvirt/qemu/nvram".to_owned();
    UefiEntry { code: inside(&firmware.code), variables: inside(&firmware.variables), own }
}

fn daemon(command: &str) -> HostDaemon {
    let command = command.split_whitespace().map(str::to_owned).collect();
    HostDaemon { command, with_the_one_before: false, socket: None }
}

fn read_line(path: &Path) -> Result<String> {
    Ok(fs::read_to_string(path).attempting(|| format!("read {}", path.display()))?.trim().to_owned())
}
