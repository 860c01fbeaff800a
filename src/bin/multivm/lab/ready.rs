//! `multivm lab up` of hosts that scenarios are played on at once: raises them with guests, and says how they are reached.

use std::sync::Arc;
use std::time::Instant;

use multivm::doctor::{refusal_for_images, supply};
use multivm::failure::Result;
use multivm::guest::{Fleet, GuestNews, Need, WantedFleet};
use multivm::inventory::Inventory;
use multivm::progress::terminal;
use multivm::scenario::Profile;
use multivm::stand::lab::Settings;
use multivm::stand::{Session, Stand, become_root, take_down_after};
use multivm::sys::interrupt::stop_on_signals;
use multivm::sys::stop::StopFlag;

use super::arguments::{UpArguments, stays};
use crate::problem::{Answer, Problem, settings};

pub fn up(new: fn(Settings) -> Box<dyn Stand<Hosts = Inventory>>, arguments: &UpArguments) -> Answer {
    let (hosts, made) = (arguments.kind.row(), arguments.kind.made());
    let (_, profile) = arguments.profile.read()?;
    let catalogue = arguments.profile.catalogue(None)?;
    let settings = settings()?.with(catalogue).map_err(Problem::input)?;
    (made.allow)(&settings).map_err(Problem::input)?;
    if let Some(catalogue) = &settings.catalogue {
        catalogue.verify(&settings.store.cache)?;
    }
    let fleet = WantedFleet { profile: &profile, catalogue: settings.catalogue.as_ref() };
    let refusal = Need::at_rest(&profile)
        .refusal(hosts.hosts, |profile| supply(&settings, profile))
        .or_else(|| refusal_for_images(fleet));
    refusal.map_or(Ok(()), |refusal| Err(Problem::input(refusal)))?;
    let log = settings.store.cache.join("keeper.log");
    become_root()?;
    let stop = StopFlag::new();
    stop_on_signals(&stop, terminal::say)?;
    let begin = Instant::now();
    let mut session = Session::begin(new(settings), stop)?;
    if session.is_attached() {
        let reach = (made.reach)()?;
        let up = format!("{} up already", hosts.they_are);
        let text = match (session.until(), &arguments.until_exit) {
            // The hosts were to go with another process, and this command asks for them without an end.
            (Some(_), None) => {
                session.keep()?;
                format!("{up}, and stays up now.\n\n{reach}")
            }
            (Some(until), Some(_)) => format!("{up}, until {until} ends.\n\n{reach}"),
        GuestNews::Copying { image, bytes, of } => {
            eprintln!("multivm: copying {image}: {} of {} MiB", bytes >> 20, of >> 20)
        }
            (None, Some(_)) => format!("{up}, and stays up: `multivm lab down`.\n\n{reach}"),
            (None, None) => format!("{up}.\n\n{reach}"),
        };
        return crate::say(&text);
    }
    if let Some(owner) = &arguments.until_exit {
        // The keeper starts before the hosts rise, because it also clears the remains of a killed raise.
        take_down_after(owner, &log)?;
    }
    let raised = raise(&mut session, &profile);
    stays(session, raised, arguments.until_exit.as_ref())?;
    let took = begin.elapsed().as_secs_f64();
    crate::say(&format!("{} up, after {took:.1} s.\n\n{}", hosts.they_are, (made.reach)()?))
}

/// Raises the hosts, and starts guests on them.
fn raise(session: &mut Session, profile: &Profile) -> Result<()> {
    session.prepare()?;
    let inventory = session.raise(profile.guests_memory())?.clone();
    // The fleet holds only connections: the guests stay when it is dropped.
    let fleet = Fleet::start(&inventory, profile, session.stop_flag(), Arc::new(say), &|_, _| {})?;
    if let Some(warning) = fleet.hosts.warning() {
        eprintln!("multivm: warning: {warning}");
    }
    Ok(())
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
