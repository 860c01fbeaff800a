//! `multivm lab up`: raises the lab with its guests, and says how its machines are reached.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use multivm::doctor::{refusal_for_images, supply};
use multivm::failure::Result;
use multivm::guest::{Fleet, GuestNews, Need, WantedFleet};
use multivm::inventory::Inventory;
use multivm::progress::terminal;
use multivm::scenario::Profile;
use multivm::stand::lab::{Lab, running};
use multivm::stand::{Session, become_root, take_down_after};
use multivm::sys::interrupt::stop_on_signals;
use multivm::sys::stop::StopFlag;

use super::arguments::{UpArguments, stays};
use crate::problem::{Answer, Problem, settings};

pub fn up(arguments: &UpArguments) -> Answer {
    let (_, profile) = arguments.profile.read()?;
    let catalogue = arguments.profile.catalogue(None)?;
    let settings = settings()?.with(catalogue).map_err(Problem::input)?;
    if let Some(catalogue) = &settings.catalogue {
        catalogue.verify(&settings.store.cache)?;
    }
    let fleet = WantedFleet { profile: &profile, catalogue: settings.catalogue.as_ref() };
    let refusal = Need::at_rest(&profile)
        .refusal("the lab", |profile| supply(&settings, profile))
        .or_else(|| refusal_for_images(fleet));
    refusal.map_or(Ok(()), |refusal| Err(Problem::input(refusal)))?;
    let log = settings.store.cache.join("keeper.log");
    become_root()?;
    let stop = StopFlag::new();
    stop_on_signals(&stop, terminal::say)?;
    let begin = Instant::now();
    let mut session = Session::begin(Box::new(Lab::new(settings)), stop)?;
    if session.is_attached() {
        let reach = reach(&running()?);
        let text = match (session.until(), &arguments.until_exit) {
            // The lab was to go with another process, and this command asks for it without an end.
            (Some(_), None) => {
                session.keep()?;
                format!("The lab is up already, and stays up now.\n\n{reach}")
            }
            (Some(until), Some(_)) => format!("The lab is up already, until {until} ends.\n\n{reach}"),
            (None, Some(_)) => format!("The lab is up already, and stays up: `multivm lab down`.\n\n{reach}"),
            (None, None) => format!("The lab is up already.\n\n{reach}"),
        };
        return crate::say(&text);
    }
    if let Some(owner) = &arguments.until_exit {
        // The keeper starts before the lab rises, because it also clears the remains of a killed raise.
        take_down_after(owner, &log)?;
    }
    let inventory = raise(&mut session, &profile);
    let inventory = stays(session, inventory, arguments.until_exit.as_ref())?;
    let took = begin.elapsed().as_secs_f64();
    crate::say(&format!("The lab is up, after {took:.1} s.\n\n{}", reach(&inventory)))
}

/// Raises everything that belongs to a permanent lab.
fn raise(session: &mut Session, profile: &Profile) -> Result<Inventory> {
    session.prepare()?;
    let inventory = session.raise(profile.guests_memory())?.clone();
    // The fleet holds only connections: the guests stay when it is dropped.
    let fleet = Fleet::start(&inventory, profile, session.stop_flag(), Arc::new(say), &|_, _| {})?;
    if let Some(warning) = fleet.hosts.warning() {
        eprintln!("multivm: warning: {warning}");
    }
    Ok(inventory)
}

/// Reports news of starting guests on standard error.
fn say(news: GuestNews<'_>) {
    match news {
        GuestNews::Answering { .. } | GuestNews::Waiting { .. } => {}
        GuestNews::FirstBoot { guest, errors } => {
            let errors = errors.join("; ");
            eprintln!(
                "multivm: warning: cloud-init had errors at the first boot of {}: {errors}",
                guest.name
            );
        }
        GuestNews::Panicked { guest, panic } => eprintln!("multivm: {}: {panic}", guest.name),
        GuestNews::StartedAgain { guest, why } => {
            eprintln!("multivm: {} is started a second time: {why}", guest.name)
        }
    }
}

/// Instructions for reaching the machines of the lab.
pub fn reach(inventory: &Inventory) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<12}  {what}");
    };
    for host in [&inventory.source, &inventory.target] {
        let fact = |name: &str| host.facts.get(name).map_or("unknown", String::as_str);
        let what = format!(
            "{}  {}: libvirt {}, QEMU {}; {} CPUs, {} MiB",
            host.login.address,
            fact("suite"),
            fact("libvirt_package"),
            fact("qemu_package"),
            fact("cpus"),
            fact("memory_mib")
        );
        line(&host.name, &what);
    }
    line(
        &inventory.storage.name,
        &format!("{}  NFS export {}", inventory.storage.login.address, inventory.storage.export),
    );
    line("accelerator", &inventory.accelerator.to_string());
    text.push_str(
        "\n  multivm lab ssh source          a shell on a host (also target, storage; guests: vm1, vm2, ...)\n  \
         multivm lab ssh source -- virsh list --all\n  \
         multivm lab down                take it down\n",
    );
    text
}
