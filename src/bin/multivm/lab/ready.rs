//! `multivm lab up` of hosts that scenarios are played on at once: raises them with guests.

use std::sync::Arc;

use multivm::doctor::{refusal_for_images, supply};
use multivm::failure::Result;
use multivm::guest::{Fleet, GuestNews, Need, WantedFleet};
use multivm::inventory::Inventory;
use multivm::scenario::Profile;
use multivm::stand::{Session, Settings, Stand};

use super::arguments::UpArguments;
use super::raising;
use crate::problem::{Answer, Problem, settings};
use multivm::sys::terminal;

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
    raising::up(new, arguments, settings, |session| raise(session, &profile).map(|()| String::new()))
}

/// Raises the hosts, and starts guests on them.
fn raise(session: &mut Session, profile: &Profile) -> Result<()> {
    session.prepare()?;
    let inventory = session.raise(profile.guests_memory())?.clone();
    // The fleet holds only connections: the guests stay when it is dropped.
    let fleet = Fleet::start(&inventory, profile, session.stop_flag(), Arc::new(say), &|_, _| {})?;
    if let Some(warning) = fleet.hosts.warning() {
        terminal::say(&format!("multivm: warning: {warning}"));
    }
    Ok(())
}

/// Reports news of starting guests on standard error.
fn say(news: GuestNews<'_>) {
    match news {
        GuestNews::Answering { .. } | GuestNews::Waiting { .. } => {}
        GuestNews::Copying { image, bytes, of } => {
            terminal::say(&format!("multivm: copying {image}: {} of {} MiB", bytes >> 20, of >> 20))
        }
        GuestNews::FirstBoot { guest, errors } => {
            let errors = errors.join("; ");
            terminal::say(&format!(
                "multivm: warning: cloud-init had errors at the first boot of {}: {errors}",
                guest.name
            ));
        }
        GuestNews::Panicked { guest, panic } => terminal::say(&format!("multivm: {}: {panic}", guest.name)),
        GuestNews::StartedAgain { guest, why } => {
            terminal::say(&format!("multivm: {} is started a second time: {why}", guest.name))
        }
    }
}
