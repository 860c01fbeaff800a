//! `multivm inventory`: pairs of hosts that are not the lab's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use multivm::axis::AxisValue;
use multivm::inventory::catalogue::{Catalogue, MasterFiles};
use multivm::inventory::file::{InventoryFile, ListedHost, Network, Pair, Server, SharedStorage};
use multivm::inventory::{Access, HostKey, Sudo};
use multivm::remote::{Trusted, trust};
use multivm::sys::words::counted;

use crate::problem::{Answer, Problem, settings};
use crate::say;

#[derive(Subcommand)]
pub enum Command {
    /// Read an inventory and say what it means; no host is asked
    Check(CheckArguments),
    /// Trust a host's key from now on, after it was installed anew, and show it
    Trust(TrustArguments),
}

/// An inventory that another command works with.
#[derive(clap::Args)]
pub struct Choice {
    /// Hosts of this inventory, instead of this machine's lab
    #[arg(long, value_name = "FILE", env = "MULTIVM_INVENTORY")]
    inventory: Option<PathBuf>,
    /// The pair of it, by its name or by a label that no other pair has
    #[arg(long, value_name = "NAME", env = "MULTIVM_PAIR", requires = "inventory")]
    pair: Option<String>,
}

impl Choice {
    /// The inventory and the wish for a pair; none if the machine's lab is meant.
    pub fn read(&self) -> Result<Option<(InventoryFile, Option<String>)>, Problem> {
        let Some(path) = &self.inventory else { return Ok(None) };
        Ok(Some((load(path)?, self.pair.clone())))
    }
}

#[derive(clap::Args)]
pub struct TrustArguments {
    /// The inventory
    #[arg(long, value_name = "FILE", env = "MULTIVM_INVENTORY")]
    inventory: PathBuf,
    /// The host's address, as the inventory has it
    #[arg(value_name = "HOST")]
    host: String,
}

fn load(path: &Path) -> Result<InventoryFile, Problem> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    Ok(InventoryFile::load(path, home.as_deref())?)
}

#[derive(clap::Args)]
pub struct CheckArguments {
    /// The inventory; fixtures/inventory.toml is an example with every key
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// One pair alone, by its name or by a label that no other pair has
    #[arg(long, value_name = "NAME")]
    pair: Option<String>,
}

pub fn run(command: Command) -> Answer {
    match command {
        Command::Check(check) => check.run(),
        Command::Trust(trust) => trust.run(),
    }
}

impl CheckArguments {
    fn run(&self) -> Answer {
        let file = load(&self.file)?;
        let pairs: Vec<&Pair> = match &self.pair {
            Some(wish) => vec![file.pair(Some(wish))?],
            None => file.pairs.iter().collect(),
        };
        let mut text = format!("{}: {}\n", file.name, counted(file.pairs.len(), "pair", "pairs"));
        let mut missing = 0;
        for pair in pairs {
            text += &told(pair);
            text += &guests(&file, pair)?;
            for why in pair.missing_here(|name| std::env::var(name).ok()) {
                missing += 1;
                text += &format!("  missing  {why}\n");
            }
        }
        say(&text)?;
        Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// How long a host may take to show its key.
const LIMIT: Duration = Duration::from_secs(60);

impl TrustArguments {
    fn run(&self) -> Answer {
        let file = load(&self.inventory)?;
        let mut machines = file.machines();
        let machine = machines.find(|machine| machine.address == self.host).ok_or_else(|| {
            let names = file.machines().map(|machine| format!("`{}`", machine.address)).collect::<Vec<_>>();
            Problem::input(format!(
                "error: {} has no host `{}`\n  = help: declared there: {}",
                file.name,
                self.host,
                names.join(", ")
            ))
        })?;
        if machine.host_key.is_some() {
            return Err(Problem::input(format!(
                "error: the key of `{}` is in {}, and decides\n  = help: put the new one there, or take it out and let the first \
                 contact decide",
                self.host, file.name
            )));
        }
        let known_hosts = file.known_hosts();
        let Trusted { before, now } = trust(&machine.login(&known_hosts), &known_hosts, LIMIT)?;
        let text = match before.as_slice() {
            [] => format!("{}: {now} is trusted from now on; it was not known before\n", self.host),
            [one] if *one == now => format!("{}: {now} is trusted as before\n", self.host),
            several => format!(
                "{}: {now} is trusted from now on; before it was {}\n",
                self.host,
                several.join(" and ")
            ),
        };
        say(&text)
    }
}

fn told(pair: &Pair) -> String {
    let labels =
        if pair.labels.is_empty() { String::new() } else { format!(" ({})", pair.labels.join(", ")) };
    let may: Vec<&str> = pair.allow.iter().map(|consent| consent.row().does).collect();
    let may = if may.is_empty() { "changes nothing on the hosts".to_owned() } else { may.join("; ") };
    format!(
        "\n{}{labels}\n{}{}  storage  {}\n  network  {}\n  multivm  {may}\n",
        pair.name,
        host("source", &pair.source),
        host("target", &pair.target),
        storage(&pair.storage),
        network(&pair.network)
    )
}

/// The guests of a pair, where a catalogue lists them.
fn guests(file: &InventoryFile, pair: &Pair) -> Result<String, Problem> {
    let Some(path) = file.catalogue(pair) else { return Ok(String::new()) };
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let catalogue = Catalogue::load(&path, home.as_deref(), MasterFiles::Needed)?;
    catalogue.verify(&settings()?.store.cache)?;
    let groups: Vec<String> =
        catalogue.groups.iter().map(|group| format!("{} {}", group.count, group.image)).collect();
    Ok(format!("  guests   {}, of {}\n", groups.join(", "), path.display()))
}

fn host(which: &str, host: &ListedHost) -> String {
    let access = match &host.access {
        Access::Agent => "by ssh-agent".to_owned(),
        Access::Key(path) => format!("by the key {}", path.display()),
        Access::Password(secret) => format!("by the password from {secret}"),
    };
    let sudo = match host.sudo {
        Sudo::No => "",
        Sudo::Nopasswd => ", root by sudo without a password",
        Sudo::Password => ", root by sudo with the same password",
    };
    let jump = host.jump.as_ref().map(|jump| format!(", through {jump}")).unwrap_or_default();
    let key = match &host.host_key {
        Some(HostKey::Key(key)) => format!("its host key is {key}"),
        Some(HostKey::Fingerprint(key)) => format!("its host key has the fingerprint {key}"),
        None => "its host key is accepted at the first contact".to_owned(),
    };
    let uri = host.uri.as_ref().map(|uri| format!("; libvirt at {uri}")).unwrap_or_default();
    format!(
        "  {which}   {}@{}, port {}, {access}{sudo}{jump}; {key}\n           migrations to {}, storage at {}{uri}\n",
        host.user, host.address, host.port, host.migration_address, host.storage_address
    )
}

fn storage(storage: &SharedStorage) -> String {
    let path = |path: &Path| path.display().to_string();
    match storage {
        SharedStorage::Mount(folder) => format!("{}, mounted on both hosts", path(folder)),
        SharedStorage::Export { server, path: folder } => {
            format!("the NFS export {} of {server}, which multivm mounts", path(folder))
        }
        SharedStorage::ServeOn(Server::Controller) => "multivm serves it from this machine".to_owned(),
        SharedStorage::ServeOn(host) => format!("multivm serves it from the {}", host.name()),
    }
}

fn network(network: &Network) -> String {
    match network {
        Network::Bridge { bridge, subnet, guests, gateway } => {
            let gateway =
                gateway.map_or_else(|| "no gateway".to_owned(), |gateway| format!("gateway {gateway}"));
            format!("the bridge {bridge}, {subnet}, {gateway}; guests have addresses of {guests}")
        }
        Network::Overlay(subnet) => format!("an overlay that multivm makes, {subnet}"),
        Network::Nat => "libvirt's own on each host, in which no run is possible".to_owned(),
    }
}
