//! The proofs after every move: looks at guests and hosts, all at once, and compares with the last look.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::evidence::Evidence;
use super::journal::Journal;
use super::pulse::{self, Beat, OwnClock};
use crate::check::clock::Distance;
use crate::check::kernel_log::HostLog;
use crate::check::placement::Places;
use crate::check::{Proof, clock, connection, disk, image, kernel_log, memory, reachable, reboot};
use crate::failure::{Failure, Result};
use crate::guest::{Fleet, Guest, Testimony, console_path};
use crate::host::{Host, Listener};
use crate::libvirt::EventKind;
use crate::plan::Leg;
use crate::remote::{Observation, realtime_s};
use crate::scenario::{AllowedLine, Mode};
use crate::sys::parallel::at_once;

/// How the names of the programs begin that a scenario runs on hosts, and that the kernel may kill there.
const LOADS: [&str; 1] = ["stress"];

/// How much of the end of a guest's console is read, bytes: a kernel that dies says it in some tens of lines.
const CONSOLE_KEPT: u64 = 64 << 10;

/// How a guest looked.
pub struct Look {
    seen: Observation,
    distance: Distance,
    /// None where the witness did not answer, and why.
    said: Result<Testimony>,
    /// When the guest stood still and how fast it wrote memory since the look before.
    pulse: Result<Beat>,
}

/// What is remembered of a guest.
struct Known {
    last: Look,
    /// Distance of its clock at the scenario's beginning.
    distance: Distance,
    /// How many connections to it had been lost then.
    losses: usize,
    /// When its witness was last seen to have written something new.
    moved: Instant,
    /// What its own clock showed since it is known.
    pulse: OwnClock,
}

/// A witness that is at work writes several times in this time, however busy its guest is.
const STALLED: Duration = Duration::from_secs(5);

/// Guests that were looked at, each with the move after which it was.
pub type Looks = Vec<(Arc<Guest>, Option<Leg>, Result<Look>)>;

/// Looks into guests, all at once.
pub fn look_into(fleet: &Fleet, guests: &[(Arc<Guest>, Option<Leg>)]) -> Looks {
    let looks = at_once("look into a guest", guests, |(guest, _)| look(fleet, guest));
    guests.iter().zip(looks).map(|((guest, leg), look)| (Arc::clone(guest), *leg, look)).collect()
}

/// What is remembered between two moves.
pub struct Prover<'a> {
    fleet: &'a Fleet,
    mode: Mode,
    allowed_lines: &'a [AllowedLine],
    evidence: Option<&'a Evidence>,
    known: HashMap<String, Known>,
    hosts: [Observation; 2],
    /// What libvirt tells of all guests.
    events: Listener,
    /// One per kernel: hosts that share one share its log.
    host_logs: Vec<(&'a Host, HostLog)>,
}

impl<'a> Prover<'a> {
    /// Takes the first look, and sets the witnesses to work.
    ///
    /// What has gone wrong in a guest since the last scenario looked at it is found here: a kernel that dies a moment
    /// after a scenario has ended would be nobody's otherwise.
    pub fn begin(
        fleet: &'a Fleet,
        mode: Mode,
        allowed_lines: &'a [AllowedLine],
        evidence: Option<&'a Evidence>,
        journal: &mut Journal<'_>,
    ) -> Result<Prover<'a>> {
        let hosts = fleet.hosts.both();
        let mut seen =
            at_once("look at a host", hosts, |host| host.agent.observe(fleet.answer_limit())).into_iter();
        let mut next = || seen.next().unwrap_or_else(|| Err(Failure::new("look at a host", "no result")));
        let hosts_seen = [next()?, next()?];
        let names = hosts.map(|host| host.entry.name.as_str());
        let host_logs = if hosts_seen[0].boot_id == hosts_seen[1].boot_id {
            vec![(hosts[0], HostLog::new(&names, &LOADS))]
        } else {
            hosts.into_iter().map(|host| (host, HostLog::new(&[&host.entry.name], &LOADS))).collect()
        };
        let mut prover = Prover {
            fleet,
            mode,
            allowed_lines,
            evidence,
            known: HashMap::new(),
            hosts: hosts_seen,
            events: fleet.hosts.events.listen(None),
            host_logs,
        };
        let looks = at_once("look into a guest", &fleet.guests, |guest| {
            let look = look(fleet, guest)?;
            fleet.pace_witness(guest, Some(mode))?;
            Ok(look)
        });
        for (guest, look) in fleet.guests.iter().zip(looks) {
            let look = look?;
            if !look.seen.whole_log {
                for proof in first_proofs(&look, allowed_lines) {
                    journal.prove(Some(&guest.name), None, proof);
                }
            }
            prover.know(guest, look);
        }
        Ok(prover)
    }

    /// How source and target looked at the beginning.
    pub fn hosts(&self) -> [&Observation; 2] {
        self.hosts.each_ref()
    }

    /// What a guest's own clock showed, from the looks at it; none if it did not tell.
    pub fn own_clock(&self, guest: &str) -> Option<&OwnClock> {
        self.known.get(guest).map(|known| &known.pulse).filter(|pulse| pulse.is_known())
    }

    fn know(&mut self, guest: &Guest, look: Look) {
        let known = Known {
            distance: look.distance,
            losses: guest.agent.losses().len(),
            moved: Instant::now(),
            pulse: OwnClock::default(),
            last: look,
        };
        self.known.insert(guest.name.clone(), known);
    }

    /// Makes guests known that were started anew and have booted: proves that they booted once, and without trouble.
    pub fn welcome(&mut self, guests: &[(Arc<Guest>, Leg, Instant)], journal: &mut Journal<'_>) {
        let names: Vec<Arc<Guest>> = guests.iter().map(|(guest, ..)| Arc::clone(guest)).collect();
        let started = self.fleet.start_witnesses(&names);
        let looks = at_once("look into a guest", &names, |guest| {
            started.clone()?;
            let look = look(self.fleet, guest)?;
            self.fleet.pace_witness(guest, Some(self.mode))?;
            Ok(look)
        });
        // Those of their boots are proved where they are started.
        self.events.try_iter().for_each(drop);
        for ((guest, leg, _), look) in guests.iter().zip(looks) {
            let name = Some(guest.name.as_str());
            match look {
                Ok(look) => {
                    for proof in first_proofs(&look, self.allowed_lines) {
                        journal.prove(name, Some(leg), proof);
                    }
                    self.know(guest, look);
                }
                Err(failure) => {
                    self.known.remove(&guest.name);
                    self.silent(guest, Some(leg), &failure, journal);
                }
            }
        }
    }

    /// Proves what cannot wait until the next move: that every guest is where it should be, that none was reset, and that
    /// the hosts' kernels are well. What is in the guests is proved with looks at them.
    pub fn after_step(&mut self, legs: &[(Arc<Guest>, Leg)], journal: &mut Journal<'_>) {
        self.prove_no_resets(journal);
        let places = Places::look(&self.fleet.hosts);
        for guest in &self.fleet.guests {
            let leg = legs.iter().find(|(moved, _)| moved.name == guest.name).map(|(_, leg)| leg);
            journal.prove(Some(&guest.name), leg, places.check(guest, &self.fleet.hosts));
        }
        self.prove_hosts(legs.first().map(|(_, leg)| leg), journal);
    }

    /// Proves every guest that answers once more, after the load; those that came with the last moves for the first time
    /// since then.
    pub fn at_the_end(&mut self, arrived: &[(Arc<Guest>, Option<Leg>)], journal: &mut Journal<'_>) {
        self.prove_no_resets(journal);
        let silent = journal.silent_guests().clone();
        let leg = |guest: &Guest| {
            arrived.iter().find(|(came, _)| came.name == guest.name).and_then(|(_, leg)| *leg)
        };
        let guests: Vec<(Arc<Guest>, Option<Leg>)> = self
            .fleet
            .guests
            .iter()
            .filter(|guest| !silent.contains(&guest.name))
            .map(|guest| (Arc::clone(guest), leg(guest)))
            .collect();
        self.judge(look_into(self.fleet, &guests), journal);
        for (guest, _) in &guests {
            if let Some(known) = self.known.get(&guest.name) {
                let losses = guest.agent.losses();
                journal.prove(Some(&guest.name), None, connection::check(&losses[known.losses..]));
            }
        }
        self.prove_hosts(None, journal);
        for (_, log) in &mut self.host_logs {
            journal.prove(None, None, log.finish(self.allowed_lines));
        }
        at_once("pause a witness", &guests, |(guest, _)| self.fleet.pace_witness(guest, None));
    }

    /// Proves guests by looks at them.
    pub fn judge(&mut self, looks: Looks, journal: &mut Journal<'_>) {
        for (guest, leg, look) in looks {
            let name = Some(guest.name.as_str());
            match (look, self.known.get_mut(&guest.name)) {
                (Ok(look), Some(known)) => {
                    for proof in compare(known, &look, self.fleet, self.allowed_lines) {
                        journal.prove(name, leg.as_ref(), proof);
                    }
                    if has_moved(&known.last, &look) {
                        known.moved = Instant::now();
                    }
                    if let Ok(beat) = &look.pulse {
                        known.pulse.add(beat);
                    }
                    known.last = look;
                }
                // It was started anew and never came up, which has been said.
                (_, None) => {}
                (Err(failure), Some(_)) => self.silent(&guest, leg.as_ref(), &failure, journal),
            }
        }
    }

    /// A guest does not answer: what its kernel said last is on its console.
    fn silent(&self, guest: &Guest, leg: Option<&Leg>, failure: &Failure, journal: &mut Journal<'_>) {
        let name = Some(guest.name.as_str());
        journal.prove(name, leg, reachable::silent(&failure.to_string()));
        let host = self.fleet.hosts.get(guest.side());
        let added = |evidence: &Evidence| evidence.added(host, &console_path(&guest.name), CONSOLE_KEPT).ok();
        let Some(text) = self.evidence.and_then(added) else { return };
        let proof = kernel_log::console(&text, self.allowed_lines);
        if !proof.ok {
            journal.prove(name, leg, proof);
        }
    }

    /// A guest that was reset and is not up again cannot be asked for its boot id; libvirt tells of the reset itself.
    fn prove_no_resets(&self, journal: &mut Journal<'_>) {
        for event in self.events.try_iter().filter(|event| event.kind == EventKind::Rebooted) {
            if let Some(known) = self.known.get(&event.domain) {
                let proof = reboot::reported(&event.host, known.last.seen.uptime_s);
                journal.prove(Some(&event.domain), None, proof);
            }
        }
    }

    fn prove_hosts(&mut self, leg: Option<&Leg>, journal: &mut Journal<'_>) {
        let limit = self.fleet.answer_limit();
        let hosts = self.fleet.hosts.both();
        let looks = at_once("look at a host", hosts, |host| host.agent.observe(limit));
        for (host, seen) in hosts.into_iter().zip(looks) {
            let log = self.host_logs.iter_mut().find(|(logged, _)| logged.side == host.side);
            let proof = match (seen, log) {
                (Ok(seen), log) => {
                    let proof = log.map(|(_, log)| {
                        let proof = log.prove(&seen.kernel_log, self.allowed_lines);
                        seen.kernel_log_error
                            .as_ref()
                            .map_or(proof, |error| kernel_log::unreadable(&host.entry.name, error))
                    });
                    // Its kernel is the other host's, too, whose log has been proved.
                    let Some(proof) = proof else { continue };
                    proof
                }
                (Err(failure), _) => kernel_log::unreadable(&host.entry.name, &failure.to_string()),
            };
            journal.prove(None, leg, proof);
        }
    }

    /// Lets all guests stand still, checks their images, and lets them go on. A QEMU that stands still has written
    /// everything that it holds of an image (vm_stop in QEMU's system/cpus.c drains and flushes all block devices).
    pub fn images(&self, journal: &mut Journal<'_>) {
        let guests: Vec<&Arc<Guest>> = self.fleet.guests.iter().collect();
        let stopped = at_once("suspend a guest", &guests, |guest| {
            let domain = guest.known_on(self.fleet.hosts.get(guest.side()))?;
            domain.suspend().map_err(|error| Failure::new("suspend a guest", error))?;
            Ok(domain)
        });
        let images: Vec<String> = guests.iter().map(|guest| guest.image.clone()).collect();
        let checked = self.fleet.storage.check_images(&images);
        for (number, (guest, stopped)) in guests.iter().zip(&stopped).enumerate() {
            let resumed = match stopped {
                Ok(domain) => domain.resume().map_err(|error| error.to_string()),
                Err(failure) => Err(failure.to_string()),
            };
            let proof = match (&checked, resumed) {
                (Ok(checks), Ok(())) => image::check(&checks[number]),
                (Err(failure), _) => image::unknown(&guest.image, &failure.to_string()),
                (_, Err(error)) => image::unknown(&guest.image, &error),
            };
            journal.prove(Some(&guest.name), None, proof);
        }
    }
}

fn look(fleet: &Fleet, guest: &Guest) -> Result<Look> {
    let asked = realtime_s();
    let seen = guest.agent.observe(fleet.answer_limit())?;
    let distance = Distance::new(seen.realtime_s, asked, realtime_s());
    Ok(Look { distance, said: fleet.hear_witness(guest), pulse: pulse::hear(fleet, guest), seen })
}

/// Whether the witness has written something new to memory and to the disk from one look to the other.
fn has_moved(before: &Look, now: &Look) -> bool {
    let (Ok(before), Ok(now)) = (&before.said, &now.said) else { return false };
    now.memory.rewritten > before.memory.rewritten && now.disk.written > before.disk.written
}

/// What a look proves by itself, without one to compare it with.
fn first_proofs(look: &Look, allowed: &[AllowedLine]) -> Vec<Proof> {
    let mut proofs = vec![log_proof(&look.seen, allowed)];
    match &look.said {
        Ok(said) => {
            proofs.push(memory::check(said.memory.rewritten, &said.memory, false));
            proofs.push(disk::check(&said.disk, &said.disk, false));
        }
        Err(failure) => proofs.push(memory::unknown(&failure.to_string())),
    }
    proofs
}

fn log_proof(seen: &Observation, allowed: &[AllowedLine]) -> Proof {
    let proof = kernel_log::guest(&seen.kernel_log, allowed);
    seen.kernel_log_error.as_ref().map_or(proof, |error| kernel_log::unreadable("the guest", error))
}

fn compare(known: &Known, now: &Look, fleet: &Fleet, allowed: &[AllowedLine]) -> Vec<Proof> {
    let before = &known.last;
    let moved = known.moved.elapsed() >= STALLED;
    let mut proofs = vec![reboot::check(&before.seen, &now.seen)];
    proofs.push(log_proof(&now.seen, allowed));
    // After a reboot the witness is another one, which knows nothing: that has its own finding.
    if before.seen.boot_id == now.seen.boot_id {
        match (&before.said, &now.said) {
            (Ok(before), Ok(now)) => {
                proofs.push(memory::check(before.memory.rewritten, &now.memory, moved));
                proofs.push(disk::check(&before.disk, &now.disk, moved));
            }
            (Err(failure), _) | (_, Err(failure)) => proofs.push(memory::unknown(&failure.to_string())),
        }
        proofs.push(clock::check(known.distance, now.distance, fleet.profile.max_clock_drift));
    }
    proofs
}
