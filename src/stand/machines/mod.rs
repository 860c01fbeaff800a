//! Machine hosts: two whole virtual machines with firewall, SELinux, an NFS server in the kernel, and a KVM that works, since QEMU
//! emulates what it takes.
//!
//! To everything else they are what their inventory file says: two hosts with a root password. No other room knows what they are.

mod cold;
mod file;
mod folder;
mod login;
mod machine;
mod network;
mod qemu;
mod qmp;
mod reach;
mod restore;
mod row;

use std::fs;
use std::path::PathBuf;

use super::raised::Raised;
use super::settings::Settings;
use super::{FoundHosts, Ground, Needs, Stand, StandKind, Standing};
use crate::failure::{Attempt, Failure, Result};
use crate::image::{HostImage, Images, MachineImage, Snapshot};
use crate::inventory::Arch;
use crate::inventory::file::InventoryFile;
use crate::sys::machine::memory_available;
use crate::sys::stop::StopFlag;
use folder::{create_directory, directory};
use machine::{CODE_MIB, CPUS, MACHINES, MEMORY_MIB};
pub use row::MACHINE_HOSTS;

/// The suite whose packages make a machine host: QEMU's emulation of AMD's SVM was tried with it.
const SUITE: &str = "trixie";

/// What a machine takes of this machine at most, MiB.
const TAKES_MIB: u64 = MEMORY_MIB + CODE_MIB;

/// The machine hosts of this machine.
#[derive(Debug)]
pub struct MachineHosts {
    settings: Settings,
    /// What the machines are started from; none until they are prepared.
    prepared: Option<PreparedMachines>,
}

#[derive(Debug)]
struct PreparedMachines {
    tools: HostImage,
    image: MachineImage,
    snapshot: Snapshot,
}

impl MachineHosts {
    /// Machines that do not stand yet.
    pub fn new(settings: Settings) -> MachineHosts {
        MachineHosts { settings, prepared: None }
    }

    /// Refuses settings that machine hosts cannot have.
    pub fn allow(settings: &Settings) -> Result<()> {
        for suite in [&settings.source_suite, &settings.target_suite] {
            if suite != SUITE {
                return Err(Failure::new(
                    format!("make machine hosts of {suite}"),
                    format!("allowed: {SUITE}"),
                ));
            }
        }
        settings.have_guests_of_their_hosts()
    }
}

impl Stand for MachineHosts {
    type Hosts = Raised;

    fn kind(&self) -> Option<StandKind> {
        Some(StandKind::Machines)
    }

    fn needs(&self) -> Needs {
        Needs { root: Some("namespaces and the machines' network need root") }
    }

    fn standing(&self) -> Result<Standing<Raised>> {
        running().map(Standing::Same)
    }

    /// Fetches packages and boots the machines, unless that was done before. This thread stays where it is: a link leads to the
    /// machines.
    fn prepare(&mut self, ground: Ground<'_>, before: FoundHosts) -> Result<()> {
        if before == FoundHosts::Foreign {
            return Ok(());
        }
        let images = Images { store: &self.settings.store, ledger: ground.ledger, stop: ground.stop };
        let tools = images.host(SUITE, Arch::OF_HOSTS)?;
        let image = images.machine(SUITE, &tools)?;
        if before == FoundHosts::Down {
            has_room()?;
            // It comes first: it says whose the rest is.
            create_directory(ground)?;
            network::create(ground)?;
        }
        let recipe = cold::recipe(&tools);
        let recipe: Vec<&str> = recipe.iter().map(String::as_str).collect();
        let snapshot =
            images.snapshot(&image, &recipe, |snapshot| cold::take(&tools, &image, snapshot, ground))?;
        self.prepared = Some(PreparedMachines { tools, image, snapshot });
        Ok(())
    }

    fn raise(&mut self, ground: Ground<'_>, guests_memory: u64) -> Result<Raised> {
        let attempted = || "raise the machine hosts".to_owned();
        let PreparedMachines { tools, image, snapshot } =
            self.prepared.as_ref().ok_or_else(|| Failure::new(attempted(), "they were not prepared"))?;
        if guests_memory > MEMORY_MIB << 20 {
            let guests = guests_memory >> 20;
            return Err(Failure::new(
                attempted(),
                format!("guests of {guests} MiB have no room in {MEMORY_MIB} MiB"),
            )
            .try_next("fewer or smaller guests: MULTIVM_GUESTS, MULTIVM_MEMORY"));
        }
        let password = create_directory(ground)?.join(file::PASSWORD);
        // The copy has the permissions of the original, which only its owner can read.
        fs::copy(image.password(), &password).attempting(|| format!("write {}", password.display()))?;
        restore::restore(tools, image, snapshot, &password, ground)?;
        let [one, other] = MACHINES.each_ref().map(|machine| cold::host_key(&snapshot.directory, machine));
        let inventory = inventory();
        fs::write(&inventory, file::text([&one?, &other?]))
            .attempting(|| format!("write {}", inventory.display()))?;
        running()
    }

    fn mend(&mut self, ground: Ground<'_>) -> Result<Vec<String>> {
        match ground.ledger.outstanding().iter().find(|thing| !thing.is_there()) {
            None => Ok(Vec::new()),
            Some(gone) => Err(Failure::new("mend the machine hosts", format!("{gone} is gone"))),
        }
    }

    fn clear(&mut self, ground: Ground<'_>) -> Vec<Failure> {
        // The network stays for the machines that come next.
        let network = network::thing();
        ground.ledger.undo_all_but(|thing| *thing == network)
    }

    fn down(&mut self, ground: Ground<'_>) -> Vec<Failure> {
        // Another multivm's machines keep a link of the same name: only ours is waited for.
        let had_network = ground.ledger.outstanding().contains(&network::thing());
        let mut failures = ground.ledger.undo_all();
        if had_network {
            // An interrupted command waits as well: nothing is left when it ends.
            failures.extend(network::await_end(&StopFlag::new()).err());
        }
        failures
    }

    fn facts(&self) -> Option<String> {
        let facts = &self.prepared.as_ref()?.tools.facts;
        Some(format!(
            "two machines of {}, {CPUS} CPUs and {MEMORY_MIB} MiB each, in QEMU {} without KVM",
            facts.suite, facts.qemu
        ))
    }
}

/// The addresses of machines that are not up. Nobody may ask there: without the link to machines, their addresses lead out of this
/// machine.
fn gone() -> Vec<&'static str> {
    if network::is_up() { Vec::new() } else { MACHINES.iter().map(|machine| machine.address).collect() }
}

/// Refuses to raise machines that this machine has no memory for.
fn has_room() -> Result<()> {
    let wanted = TAKES_MIB * MACHINES.len() as u64;
    match memory_available().map(|bytes| bytes >> 20) {
        Some(available) if available < wanted => Err(Failure::new(
            "raise the machine hosts",
            format!("they take up to {wanted} MiB, and {available} MiB are available"),
        )
        .try_next("free some memory")),
        _ => Ok(()),
    }
}

/// The machine hosts that are up.
fn running() -> Result<Raised> {
    let inventory = inventory();
    InventoryFile::load(&inventory, None).map_err(|error| {
        Failure::new("find machine hosts", error.to_string()).try_next("multivm lab up --kind machines")
    })?;
    let password = directory().join(file::PASSWORD);
    let hosts = MACHINES.each_ref().map(|machine| (machine.name.to_owned(), machine.address.to_owned()));
    Ok(Raised { inventory, password, hosts })
}

fn inventory() -> PathBuf {
    directory().join("inventory.toml")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", true)]
    #[case("trixie", true)]
    #[case("bookworm", false)]
    fn machines_are_of_one_suite(#[case] suite: &str, #[case] allowed: bool) {
        let settings = Settings::read(|name| match name {
            "MULTIVM_SUITE" => Some(suite.to_owned()),
            "MULTIVM_CACHE" => Some("/cache".to_owned()),
            _ => None,
        });
        let said = MachineHosts::allow(&settings.unwrap());
        assert_eq!(said.is_ok(), allowed);
        if let Err(failure) = said {
            assert_eq!(failure.to_string(), "cannot make machine hosts of bookworm: allowed: trixie");
        }
    }
}
