//! The guests of a run: made once, shared by all scenarios, checked before each and repaired when one left damage.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::identity::{self, Role};
use super::{ClockMap, Guest, Pulse, Testimony, domain, witness};
use crate::failure::{Attempt, Result};
use crate::host::{Host, Hosts, Storage};
use crate::inventory::Inventory;
use crate::libvirt::Domain;
use crate::scenario::{Mode, Profile, Side};
use crate::sys::parallel::at_once;
use crate::sys::wait::{Look, StopFlag, wait_for};

/// How long a guest that is up may take to answer one command.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Lines of a guest's console that are shown when it does not answer.
const CONSOLE_LINES: u32 = 15;

/// Threads that log in or connect at the same time: sshd refuses connections beyond ten that are not authenticated
/// yet (MaxStartups 10:30:100).
const CONNECTING: usize = 8;

/// The hosts, the storage and the guests.
pub struct Fleet {
    pub hosts: Hosts,
    pub storage: Storage,
    /// Those that migrate.
    pub guests: Vec<Arc<Guest>>,
    /// Those that boot as load in some scenarios, and are not there in others.
    pub load_guests: Vec<Arc<Guest>>,
    /// With limits for the hosts' CPUs.
    pub profile: Profile,
    /// As it was asked for.
    pub asked: Profile,
    inventory: Inventory,
    cancel: StopFlag,
}

impl Fleet {
    /// Makes the guests, starts all of them on the source and waits until they answer by ssh. Guests that an earlier
    /// command left up are used as they are if they are whole and of the same profile.
    pub fn start(
        hosts: Hosts,
        storage: Storage,
        inventory: &Inventory,
        profile: &Profile,
        cancel: &StopFlag,
    ) -> Result<Fleet> {
        let guests = |role, count| {
            (1..=count)
                .map(|number| identity::guest(role, number, inventory).map(Arc::new))
                .collect::<Result<Vec<_>>>()
        };
        let fleet = Fleet {
            hosts,
            storage,
            guests: guests(Role::Fleet, profile.guests)?,
            load_guests: guests(Role::Load, profile.load_guests)?,
            asked: profile.clone(),
            profile: profile.stretched(inventory.source.cpu_percent.min(inventory.target.cpu_percent)),
            inventory: inventory.clone(),
            cancel: cancel.clone(),
        };
        fleet.remove_strangers()?;
        let damage = fleet.damage();
        let missing: Vec<Arc<Guest>> = fleet
            .guests
            .iter()
            .filter(|guest| {
                damage.iter().any(|(damaged, _)| damaged.name == guest.name) || !fleet.is_of_profile(guest)
            })
            .cloned()
            .collect();
        if !missing.is_empty() {
            fleet.renew(&missing)?;
        }
        let adopted: Vec<Arc<Guest>> = fleet
            .guests
            .iter()
            .filter(|guest| missing.iter().all(|made| made.name != guest.name))
            .cloned()
            .collect();
        all(by_login("end an old witness", &adopted, |guest| witness::end(&guest.agent, cancel)))?;
        fleet.start_witnesses(&adopted)?;
        Ok(fleet)
    }

    pub fn stop_flag(&self) -> &StopFlag {
        &self.cancel
    }

    pub fn guest(&self, name: &str) -> Option<&Arc<Guest>> {
        self.guests.iter().find(|guest| guest.name == name)
    }

    /// Ends what a failed scenario may have left beside the fleet: loads on hosts, and load guests.
    pub fn clear_strays(&self) -> Result<()> {
        let hosts =
            at_once("end loads on a host", self.hosts.both(), |host| host.agent.end_strays(ANSWER_LIMIT));
        let guests = by_login("remove a load guest", &self.load_guests, |guest| self.remove(guest));
        hosts.into_iter().chain(guests).fold(Ok(()), Result::and)
    }

    /// What is wrong with each guest: not where a scenario starts, not alone, not answering. Empty when all is well.
    pub fn damage(&self) -> Vec<(Arc<Guest>, String)> {
        by_login("inspect a guest", &self.guests, |guest| Ok(self.inspect(guest)))
            .into_iter()
            .zip(&self.guests)
            .filter_map(|(found, guest)| {
                let damage = found.unwrap_or_else(|failure| Some(failure.to_string()))?;
                Some((Arc::clone(guest), damage))
            })
            .collect()
    }

    /// Whether a guest that an earlier command left is what this fleet's profile would make.
    fn is_of_profile(&self, guest: &Guest) -> bool {
        let description = domain::description(&self.profile);
        let xml = guest
            .known_on(&self.hosts.source)
            .and_then(|domain| domain.xml().attempting(|| format!("describe {}", guest.name)));
        xml.is_ok_and(|xml| xml.contains(&description))
    }

    fn inspect(&self, guest: &Guest) -> Option<String> {
        for (host, expected) in [(&self.hosts.source, true), (&self.hosts.target, false)] {
            let domain = match guest.domain_on(host) {
                Ok(domain) => domain,
                Err(failure) => return Some(failure.to_string()),
            };
            let state = domain.map(|domain| domain.state()).transpose();
            let name = &host.entry.name;
            match state {
                Ok(state) => {
                    let active = state.as_ref().is_some_and(|state| state.is_running());
                    if active != expected {
                        let seen = state.map_or("unknown there".into(), |state| state.to_string());
                        return Some(format!("on {name} it is {seen}"));
                    }
                }
                Err(error) => return Some(error.to_string()),
            }
        }
        match guest.agent.observe(ANSWER_LIMIT) {
            Ok(seen) => seen
                .processes
                .iter()
                .find(|process| process.name.starts_with(LOAD) && process.is_alive())
                .map(|process| format!("a load is still running in it: {} ({})", process.name, process.pid)),
            Err(failure) => Some(failure.to_string()),
        }
    }

    /// Makes guests anew: destroyed wherever they are, with a fresh overlay, started on the source, answering.
    pub fn renew(&self, guests: &[Arc<Guest>]) -> Result<()> {
        all(by_login("remove a guest", guests, |guest| self.remove(guest)))?;
        let images: Vec<String> = guests.iter().map(|guest| guest.image.clone()).collect();
        self.storage.create_overlays(&images)?;
        all(by_login("start a guest", guests, |guest| self.boot(guest)))?;
        // While the guests boot, the connections that their migrations will use are opened.
        all(by_login("wait for a guest", guests, |guest| {
            for side in [Side::Source, Side::Target] {
                guest.connection(&self.hosts, side, &self.cancel)?;
            }
            self.await_guest(guest)
        }))?;
        self.start_witnesses(guests)
    }

    /// Starts the witness in every one of these guests that has none.
    pub fn start_witnesses(&self, guests: &[Arc<Guest>]) -> Result<()> {
        let memory = self.profile.pattern_memory;
        all(by_login("start a witness", guests, |guest| witness::start(&guest.agent, memory, &self.cancel)))
    }

    /// Lets a guest's witness rewrite its memory at the pace of a mode, or pause.
    pub fn pace_witness(&self, guest: &Guest, mode: Option<Mode>) -> Result<()> {
        let interval = mode.map_or(Duration::ZERO, |mode| self.profile.rewrite(mode));
        let pulse = witness::pulse_interval(self.inventory.accelerator.kind);
        witness::begin(&guest.agent, interval, pulse, self.answer_limit())
    }

    /// Lets a guest's witness verify its memory and its disk.
    pub fn hear_witness(&self, guest: &Guest) -> Result<Testimony> {
        witness::prove(&guest.agent, self.answer_limit())
    }

    /// When the guest stood still and how fast it wrote memory, by its own clock, since it was asked last; and how that clock
    /// is against ours.
    pub fn pulse_of(&self, guest: &Guest) -> Result<(Pulse, ClockMap)> {
        let ask = |from_us| {
            let asked = Instant::now();
            let pulse = witness::pulse(&guest.agent, from_us, self.answer_limit())?;
            let map = pulse.mapping(asked, Instant::now());
            Ok((pulse, map))
        };
        let from_us = guest.heard_us.load(Ordering::SeqCst);
        let mut heard: (Pulse, ClockMap) = ask(from_us)?;
        if heard.0.now_us < from_us {
            // It was started anew since, and its clock with it.
            heard = ask(0)?;
        }
        guest.heard_us.store(heard.0.now_us, Ordering::SeqCst);
        Ok(heard)
    }

    /// How long an answer out of a guest may take: as long as its network may be silent, and a moment for the answer.
    pub fn answer_limit(&self) -> Duration {
        self.profile.max_gap + Duration::from_secs(10)
    }

    /// Ends the guest wherever it is and forgets it.
    pub fn remove(&self, guest: &Guest) -> Result<()> {
        guest.agent.forget();
        for host in self.hosts.both() {
            let Some(domain) = guest.domain_on(host)? else { continue };
            let attempted = || format!("remove {} from {}", guest.name, host.entry.name);
            // A job that a failed scenario left would hold the domain's lock.
            let _ = domain.abort_job();
            if domain.is_active().attempting(attempted)? {
                ignore_gone(domain.destroy()).attempting(attempted)?;
            }
            ignore_gone(domain.undefine()).attempting(attempted)?;
        }
        guest.moved_to(Side::Source);
        Ok(())
    }

    fn boot(&self, guest: &Guest) -> Result<()> {
        let host = &self.hosts.source;
        let domain = self.define(guest, host)?;
        domain.start().attempting(|| format!("start {} on {}", guest.name, host.entry.name))
    }

    /// Makes the guest's domain on a host, not started.
    pub fn define(&self, guest: &Guest, host: &Host) -> Result<Domain> {
        let identity = domain::Identity {
            name: &guest.name,
            uuid: &guest.uuid,
            mac: &guest.mac,
            address: &guest.address.to_string(),
            image: &guest.image,
        };
        let xml = domain::xml(&identity, &self.inventory, &self.profile, self.hosts.oldest_qemu())?;
        host.control.define(&xml).attempting(|| format!("define {} on {}", guest.name, host.entry.name))
    }

    fn await_guest(&self, guest: &Guest) -> Result<()> {
        let limit = self.profile.boot_timeout;
        wait_for(&format!("{} to answer by ssh", guest.name), limit, &self.cancel, || {
            match guest.agent.observe(Duration::from_secs(10)) {
                Ok(_) => Look::Ready(()),
                Err(failure) => Look::again(failure.cause),
            }
        })
        .map_err(|failure| {
            let host = &self.hosts.source;
            let path = domain::console_path(&guest.name);
            let console = host
                .remote
                .check(&format!("tail -n {CONSOLE_LINES} {path}"), ANSWER_LIMIT)
                .unwrap_or_else(|failure| failure.to_string());
            failure
                .and(format!("\nits console, {path} on {}, ends:\n{console}", host.entry.name))
                .try_next("did its kernel die, or is the network between here and it down?")
        })
    }

    /// Removes domains that an earlier, larger fleet left on a lab that stayed up; never what multivm did not make.
    fn remove_strangers(&self) -> Result<()> {
        for host in self.hosts.both() {
            let attempted = || format!("list the domains of {}", host.entry.name);
            for summary in host.control.domains().attempting(attempted)? {
                if self.guest(&summary.name).is_some() {
                    continue;
                }
                let Some(domain) = host.control.domain(&summary.name).attempting(attempted)? else {
                    continue;
                };
                if !domain.xml().attempting(attempted)?.contains(domain::MADE_BY_MULTIVM) {
                    continue;
                }
                if summary.active {
                    ignore_gone(domain.destroy()).attempting(attempted)?;
                }
                ignore_gone(domain.undefine()).attempting(attempted)?;
            }
        }
        Ok(())
    }
}

/// How the names of processes of a scenario's load begin.
const LOAD: &str = "stress";

/// A domain that is gone already is what was wanted.
fn ignore_gone(result: crate::libvirt::Result<()>) -> crate::libvirt::Result<()> {
    match result {
        Err(error) if error.is_no_domain() || error.is_operation_invalid() => Ok(()),
        other => other,
    }
}

/// Does something for every guest, as many at once as may log in at the same time; results in the guests' order.
fn by_login<T: Send>(
    what: &str,
    guests: &[Arc<Guest>],
    action: impl Fn(&Guest) -> Result<T> + Sync,
) -> Vec<Result<T>> {
    guests.chunks(CONNECTING).flat_map(|some| at_once(what, some, |guest| action(guest))).collect()
}

fn all<T>(results: Vec<Result<T>>) -> Result<()> {
    results.into_iter().try_for_each(|result| result.map(drop))
}
