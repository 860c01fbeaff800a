//! The cases. Each plants something, and finds it as it was.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use libtest_mimic::Failed;
use multivm::failure::FailureKind;
use multivm::guest::{Fleet, Guest};
use multivm::libvirt::MARK_NAMESPACE;
use multivm::record::Verdict;
use multivm::scenario::Side::{self, Source, Target};
use multivm::stage::Stage;
use multivm::stand::lab;
use multivm::sys::stop::StopFlag;
use multivm_fixtures::selftest::FleetTest;

use crate::plant::{Foreign, ForeignNetwork, UUID, everything, on_host, on_storage};

/// In the order in which they are played: the one of the whole scenario last, because nothing is played after it.
pub const CASES: [FleetTest; 14] = [
    ("foreign::beside_ours_it_survives_a_scenario", beside_ours_it_survives_a_scenario),
    ("foreign::of_our_name_running_on_the_target", |stage| named(stage, Target, true)),
    ("foreign::of_our_name_not_running_on_the_target", |stage| named(stage, Target, false)),
    ("foreign::of_our_name_running_on_the_source", |stage| named(stage, Source, true)),
    ("foreign::of_our_name_not_running_on_the_source", |stage| named(stage, Source, false)),
    ("foreign::of_another_run_of_multivm", of_another_run),
    ("foreign::of_our_uuid", of_our_uuid),
    ("foreign::of_our_mac_address", of_our_mac_address),
    ("foreign::of_our_address_in_its_definition", of_our_address),
    ("foreign::network_that_keeps_our_address", network_that_keeps_our_address),
    ("foreign::network_that_has_leased_our_address", network_that_has_leased_our_address),
    ("foreign::answering_at_our_address", answering_at_our_address),
    ("foreign::image_of_our_name", image_of_our_name),
    ("foreign::refused_scenario_leaves_the_hosts_as_they_are", refused_scenario),
];

const SCENARIO: &str = "precopy_orderly::in_vms::stress_cpu";

/// The fleet of all cases. Whole in the first; what a case removes of it stays away, because no later one needs it.
fn fleet_of(stage: &Stage) -> Result<Arc<Fleet>, Failed> {
    static FLEET: OnceLock<Arc<Fleet>> = OnceLock::new();
    match FLEET.get() {
        Some(fleet) => Ok(Arc::clone(fleet)),
        None => {
            let (fleet, _) = stage.fleet(&stage.profile)?;
            Ok(Arc::clone(FLEET.get_or_init(|| fleet)))
        }
    }
}

/// The guest that is in question, removed.
fn without_vm1(fleet: &Fleet) -> Result<&Guest, Failed> {
    let guest = &fleet.guests[0];
    fleet.remove(guest)?;
    Ok(guest)
}

fn beside_ours_it_survives_a_scenario(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    let running = Foreign { runs: true, ..Foreign::new(&fleet, Source, "vm1-of-somebody") }.plant()?;
    let defined = Foreign::new(&fleet, Target, "vm3").plant()?;
    // Nobody has an address that a network may lease.
    let range = format!("<range start='{0}' end='{0}'/>", fleet.guests[0].address);
    let network = ForeignNetwork::plant(&fleet.hosts.target, &router(&fleet), &range)?;
    on_storage(&fleet, "echo precious > vm3.qcow2 && echo precious > vm3.qcow2.multivm")?;
    let outcome = stage.outcome_on(&fleet, &SCENARIO.parse()?, SystemTime::now());
    running.is_untouched()?;
    defined.is_untouched()?;
    network.is_untouched()?;
    // The next command takes hold of the lab: it uses our guests as they are, and leaves these alone, too.
    let before = everything(&fleet)?;
    start(&fleet).map_err(|failure| format!("expected: a fleet\nseen: {failure}"))?;
    same(&before, &everything(&fleet)?)?;
    running.is_untouched()?;
    defined.is_untouched()?;
    network.is_untouched()?;
    if on_storage(&fleet, "cat vm3.qcow2 vm3.qcow2.multivm && rm vm3.qcow2*")? != "precious\nprecious\n" {
        return Err("the foreign image was touched".into());
    }
    match outcome.verdict {
        Verdict::Passed => Ok(()),
        verdict => Err(format!("expected: it passes\nseen: {verdict}\n{}", outcome.failure_text()).into()),
    }
}

fn named(stage: &Arc<Stage>, side: Side, runs: bool) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    if side == Source {
        without_vm1(&fleet)?;
    } else if let Some(ours) = fleet.guests[0].domain_on(&fleet.hosts.target)? {
        // Defined there since its last move. On the source it goes on running.
        ours.undefine()?;
    }
    let foreign = Foreign { runs, ..Foreign::new(&fleet, side, "vm1") }.plant()?;
    refused(
        &fleet,
        &["domain vm1 on ", fleet.hosts.get(side).entry.name.as_str(), UUID, "has the name of vm1"],
    )?;
    Ok(foreign.is_untouched()?)
}

fn of_another_run(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    without_vm1(&fleet)?;
    let mark = format!(
        "<metadata><multivm:owner xmlns:multivm='{MARK_NAMESPACE}' run='another' profile='p'/></metadata>"
    );
    let foreign = Foreign { runs: true, elements: &mark, ..Foreign::new(&fleet, Target, "vm1") }.plant()?;
    refused(&fleet, &["domain vm1 on target", "which multivm made for another run, another"])?;
    Ok(foreign.is_untouched()?)
}

fn of_our_uuid(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    let guest = without_vm1(&fleet)?;
    let foreign =
        Foreign { uuid: &guest.uuid, runs: true, ..Foreign::new(&fleet, Source, "database") }.plant()?;
    refused(&fleet, &["domain database on source", &format!("has the UUID {} of vm1", guest.uuid)])?;
    Ok(foreign.is_untouched()?)
}

fn of_our_mac_address(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    let guest = &fleet.guests[0];
    let devices =
        format!("<interface type='bridge'><mac address='{}'/><source bridge='br0'/></interface>", guest.mac);
    let foreign = Foreign { devices: &devices, ..Foreign::new(&fleet, Target, "database") }.plant()?;
    refused(&fleet, &["domain database on target", &format!("has the MAC address {} of vm1", guest.mac)])?;
    Ok(foreign.is_untouched()?)
}

fn of_our_address(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    let guest = &fleet.guests[1];
    let devices = format!(
        "<interface type='bridge'><source bridge='br0'/><filterref filter='clean-traffic'>\
         <parameter name='IP' value='{}'/></filterref></interface>",
        guest.address
    );
    let foreign = Foreign { devices: &devices, ..Foreign::new(&fleet, Target, "database") }.plant()?;
    refused(&fleet, &["domain database on target", &format!("has the address {} of vm2", guest.address)])?;
    Ok(foreign.is_untouched()?)
}

fn network_that_keeps_our_address(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    let guest = &fleet.guests[1];
    let kept = format!("<host mac='{SOMEBODY}' name='mail' ip='{}'/>", guest.address);
    let network = ForeignNetwork::plant(&fleet.hosts.target, &router(&fleet), &kept)?;
    let words = format!("keeps for a machine ({SOMEBODY}) the address {} of vm2", guest.address);
    refused(&fleet, &["the network office of libvirt on target ", &words])?;
    Ok(network.is_untouched()?)
}

fn network_that_has_leased_our_address(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    let guest = &fleet.guests[0];
    let mut network = ForeignNetwork::plant(&fleet.hosts.source, &router(&fleet), "")?;
    network.lease(&guest.address.to_string(), SOMEBODY)?;
    let words = format!("has leased ({SOMEBODY}) the address {} of vm1", guest.address);
    refused(&fleet, &["the network office of libvirt on source ", &words])?;
    Ok(network.is_untouched()?)
}

/// The MAC address of a machine that has an address of ours.
const SOMEBODY: &str = "52:54:00:5e:ed:01";

/// The address of a router in the network of the guests, which none of them has.
fn router(fleet: &Fleet) -> String {
    let [a, b, c, _] = fleet.guests[0].address.octets();
    let taken =
        |address: &Ipv4Addr| fleet.guests.iter().chain(&fleet.load_guests).any(|it| it.address == *address);
    let free = (1..255).map(|d| Ipv4Addr::new(a, b, c, d)).find(|address| !taken(address));
    free.expect("fewer guests than addresses").to_string()
}

fn answering_at_our_address(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    // One that nothing has had yet: no neighbour remembers another MAC address for it.
    let (guest, host) = (&fleet.load_guests[0], &fleet.hosts.target);
    on_host(host, &format!("ip address add {}/16 dev br0", guest.address))?;
    let seen = refused(&fleet, &[&format!("something answers at {}, the address of load1", guest.address)]);
    on_host(host, &format!("ip address delete {}/16 dev br0", guest.address))?;
    seen
}

fn image_of_our_name(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    without_vm1(&fleet)?;
    // In the place of ours, with the note of ours beside it.
    let plant = "mv vm1.qcow2 ours && head -c 100000 /dev/urandom > vm1.qcow2 && sha256sum vm1.qcow2";
    let before = on_storage(&fleet, plant)?;
    refused(&fleet, &["in /export of storage", "vm1.qcow2 is not the file that multivm made"])?;
    on_storage(&fleet, "rm vm1.qcow2.multivm")?;
    refused(&fleet, &["in /export of storage", "vm1.qcow2 was not made by multivm"])?;
    let after = on_storage(&fleet, "sha256sum vm1.qcow2 && rm vm1.qcow2 ours")?;
    if before == after { Ok(()) } else { Err(format!("the foreign image was {before}and is {after}").into()) }
}

fn refused_scenario(stage: &Arc<Stage>) -> Result<(), Failed> {
    let fleet = fleet_of(stage)?;
    without_vm1(&fleet)?;
    let foreign = Foreign { runs: true, ..Foreign::new(&fleet, Source, "vm1") }.plant()?;
    let before = everything(&fleet)?;
    let refused = stage.play(SCENARIO.parse()?);
    if refused.verdict != Verdict::Error {
        return Err(format!("expected: it is refused\nseen: {:?}", refused.verdict).into());
    }
    contains(&refused.failure_text(), &["domain vm1 on source", UUID, "multivm leaves it alone"])?;
    same(&before, &everything(&fleet)?)?;
    Ok(foreign.is_untouched()?)
}

/// What another command would do that takes hold of the lab.
fn start(fleet: &Fleet) -> multivm::failure::Result<()> {
    let inventory = lab::running()?;
    Fleet::start(&inventory, &fleet.asked, &StopFlag::new(), Arc::new(|_| {}), &|_, _| {}).map(drop)
}

/// It is refused with these words, and nothing has been made or removed.
fn refused(fleet: &Fleet, words: &[&str]) -> Result<(), Failed> {
    let before = everything(fleet)?;
    let Err(failure) = start(fleet) else { return Err("expected: it is refused\nseen: it is not".into()) };
    if failure.kind() != FailureKind::Refused {
        return Err(format!("expected: it is refused\nseen: {:?}: {failure}", failure.kind()).into());
    }
    contains(&failure.to_string(), words)?;
    contains(&failure.to_string(), &["try next: multivm leaves it alone"])?;
    same(&before, &everything(fleet)?)
}

fn contains(text: &str, words: &[&str]) -> Result<(), Failed> {
    match words.iter().find(|words| !text.contains(**words)) {
        Some(words) => Err(format!("expected: {words:?}\nseen: {text}").into()),
        None => Ok(()),
    }
}

fn same(before: &str, after: &str) -> Result<(), Failed> {
    if before == after { Ok(()) } else { Err(format!("there was\n{before}and is\n{after}").into()) }
}
