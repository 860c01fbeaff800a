//! `multivm inventory`: pairs of hosts that are not the lab's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use multivm::axis::AxisValue;
use multivm::inventory::file::{InventoryFile, Machine, Network, Pair, Server, Storage};
use multivm::inventory::{Access, HostKey, Sudo};
use multivm::sys::words::counted;

use crate::problem::Answer;
use crate::say;

#[derive(Subcommand)]
pub enum Command {
    /// Read an inventory and say what it means; no host is asked
    Check(Check),
}

#[derive(clap::Args)]
pub struct Check {
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
    }
}

impl Check {
    fn run(&self) -> Answer {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let file = InventoryFile::load(&self.file, home.as_deref())?;
        let pairs: Vec<&Pair> = match &self.pair {
            Some(wish) => vec![file.pair(Some(wish))?],
            None => file.pairs.iter().collect(),
        };
        let mut text = format!("{}: {}\n", file.name, counted(file.pairs.len(), "pair", "pairs"));
        let mut missing = 0;
        for pair in pairs {
            text += &told(pair);
            for why in pair.missing_here(|name| std::env::var(name).ok()) {
                missing += 1;
                text += &format!("  missing  {why}\n");
            }
        }
        say(&text)?;
        Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn told(pair: &Pair) -> String {
    let labels =
        if pair.labels.is_empty() { String::new() } else { format!(" ({})", pair.labels.join(", ")) };
    let may: Vec<&str> = pair.allow.iter().map(|consent| consent.spec().does).collect();
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

fn host(which: &str, host: &Machine) -> String {
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

fn storage(storage: &Storage) -> String {
    let path = |path: &Path| path.display().to_string();
    match storage {
        Storage::Mount(folder) => format!("{}, mounted on both hosts", path(folder)),
        Storage::Export { server, path: folder } => {
            format!("the NFS export {} of {server}, which multivm mounts", path(folder))
        }
        Storage::ServeOn(Server::Controller) => "multivm serves it from this machine".to_owned(),
        Storage::ServeOn(host) => format!("multivm serves it from the {}", host.name()),
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
        Network::Nat => {
            "libvirt's own on each host: that guests are reachable from outside is not proved".to_owned()
        }
    }
}
