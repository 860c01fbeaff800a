//! One migration of one guest, from its order to its end.
//!
//! libvirt's call blocks until the migration is over, so it runs in a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use super::Move;
use super::connections::Counting;
use super::drive::{Caller, drive};
use super::limits::Limits;
use super::report::{LegReport, OnProgress, Progress};
use super::watch::{Happening, LegWatch};
use crate::failure::{Attempt, Result};
use crate::guest::Guest;
use crate::host::Hosts;
use crate::inventory::bracketed;
use crate::libvirt::{Connection, Migration, OurDomain};
use crate::sys::stop::StopFlag;

/// Migrates `guest` and reports how that went, including a failure to begin.
pub fn migrate(
    guest: &Guest,
    hosts: &Hosts,
    plan: &Move,
    ready: impl FnOnce(),
    hear: &OnProgress<'_>,
    stop: &StopFlag,
) -> LegReport {
    attempt(guest, hosts, plan, ready, hear, stop).unwrap_or_else(LegReport::not_begun)
}

fn attempt(
    guest: &Guest,
    hosts: &Hosts,
    plan: &Move,
    ready: impl FnOnce(),
    hear: &OnProgress<'_>,
    stop: &StopFlag,
) -> Result<LegReport> {
    let prepared = prepare(guest, hosts, plan, stop);
    // The other moves of the step wait at the barrier, and must not wait for one that cannot start.
    ready();
    let (domain, control, destination) = prepared?;
    let (inbox, happenings) = channel();
    let events = inbox.clone();
    hosts
        .events
        .forward(Some(&guest.name), move |event| events.send(Happening::Event(event.clone())).is_ok());
    let options = plan
        .options
        .migration
        .known_to(&[&hosts.source, &hosts.target].map(|host| (host.libvirt, host.qemu)));
    let receiver = &hosts.get(plan.to).entry.migration_address;
    let options = Migration { uri: receiver.as_deref().map(migration_uri), ..options };
    let from = hosts.get(plan.from);
    let several = options.parallel_connections.is_some();
    let counting = several.then(|| Counting::start(from.remote.clone(), &guest.name)).transpose()?;
    let caller = Caller { job: Arc::new(control), inbox: inbox.clone() };
    let began = Instant::now();
    thread::Builder::new()
        .name(format!("migrate {}", guest.name))
        .spawn(move || {
            let result = domain.migrate(&destination, &options).map(drop);
            // The receiver is gone if the time was up long ago.
            let _ = inbox.send(Happening::Returned { at: Instant::now(), result });
        })
        .attempting(|| format!("start the migration thread of {}", guest.name))?;
    let hear = |news: Progress<'_>| hear(&guest.name, news);
    let watch = LegWatch::new(&from.entry.name, plan, &hear, Limits::default(), began);
    let report = drive(watch, &happenings, &caller, stop);
    Ok(LegReport { connections: counting.map(|counting| counting.seen()), ..report })
}

fn migration_uri(address: &str) -> String {
    format!("tcp://{}", bracketed(address))
}

/// Finds the guest on its source over the migrating connection and over the watching one, and connects to its destination.
fn prepare(
    guest: &Guest,
    hosts: &Hosts,
    plan: &Move,
    stop: &StopFlag,
) -> Result<(OurDomain, OurDomain, Connection)> {
    let from = hosts.get(plan.from);
    let domain = guest.known_through(&guest.connection(hosts, plan.from, stop)?)?;
    let destination = guest.connection(hosts, plan.to, stop)?;
    let control = guest.known_on(from)?;
    let limit_ms = plan.options.max_downtime_ms;
    control
        .set_max_downtime(limit_ms)
        .attempting(|| format!("set the maximum downtime of {} to {limit_ms} ms", guest.name))?;
    Ok((domain, control, destination))
}
