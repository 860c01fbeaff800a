//! Examines a pair of hosts: what must hold on each of them and between them before guests can migrate.
//!
//! Nothing is changed on a host, except that two files with random names lie there for a moment: an empty one in the storage that
//! both hosts share, and, where a host has KVM, a boot sector among its temporary files, which is started under KVM. A host says
//! what it has by one script that it runs from standard input, so that nothing has to be there before. Each diagnosis has
//! what was seen, what is wanted, the command that mends it, and whether multivm may do it.

mod access;
mod asked_host;
mod clock;
mod cpu;
mod daemons;
mod domains;
mod firewall;
mod firmware;
mod guests;
mod identity;
mod kvm;
mod lease;
mod login;
mod machines;
mod mounts;
mod network;
mod packages;
mod postcopy;
mod room;
mod segment;
mod selinux;
mod shared;
mod sshd;
mod storage;
mod system;
#[cfg(test)]
mod testing;
mod versions;

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Diagnosis, Grade};
use crate::failure::{Failure, Result};
use crate::guest::WantedFleet;
use crate::inventory::file::{ListedHost, Network, Pair, SharedStorage};
use crate::remote::{Facts, FactsAbout, Remote};
use crate::scenario::Load;
use crate::stand::pair::{ChosenPair, ExaminedHost, Unsupported};
use crate::sys::parallel::at_once;
use asked_host::{AskedHost, ClockReading, LoginStage};

/// How long a host may take for all of it: each of its programs has 20 s, and most take none.
const LIMIT: Duration = Duration::from_secs(180);

/// An examination of one host.
type OfAHost = fn(&AskedHost<'_>, &Pair) -> Vec<Diagnosis>;

/// The examinations of each host alone.
const OF_A_HOST: &[OfAHost] = &[
    login::examine,
    sshd::examine,
    lease::examine,
    daemons::examine,
    access::examine,
    kvm::examine,
    postcopy::examine,
    selinux::examine,
    network::examine,
    mounts::examine,
    packages::examine_programs,
    guests::examine,
];

/// An examination of source and target together.
type OfBoth = fn(&[AskedHost<'_>; 2], &Pair) -> Vec<Diagnosis>;

/// The examinations between the hosts.
const OF_BOTH: &[OfBoth] = &[
    identity::examine,
    system::examine,
    versions::examine,
    machines::examine,
    cpu::examine,
    firewall::examine,
    segment::examine,
    storage::examine,
    clock::examine,
];

/// What was found on a pair.
pub struct Examination {
    pub findings: Vec<Diagnosis>,
    /// Hosts that were met for the first time, a sentence each.
    pub met: Vec<String>,
    /// What the hosts said; none if one of them did not answer.
    pub hosts: Option<[ExaminedHost; 2]>,
}

/// Examines a pair, for a `run` that has taken its hosts, or before anybody has. The hosts' keys are in `known_hosts`, or come there at
/// the first contact. `variable` looks up the environment.
pub fn examine(
    pair: &Pair,
    known_hosts: &Path,
    fleet: WantedFleet<'_>,
    run: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Examination {
    let mut findings: Vec<Diagnosis> = pair
        .missing_here(variable)
        .into_iter()
        .map(|why| {
            Diagnosis::missing("here", why, "see docs/hosts.md, or fixtures/inventory.toml for every key")
        })
        .collect();
    findings.extend(Unsupported::of(pair).map(|Unsupported { what, why, instead }| {
        Diagnosis::missing("here", format!("{what} is refused: {why}"), format!("wanted: {instead}"))
    }));
    let (here, seen_here) = network::here(pair);
    findings.extend(seen_here);
    findings.extend(room::here(pair, fleet));
    let sides = [("source", &pair.source, &pair.target), ("target", &pair.target, &pair.source)];
    let asked = at_once("ask a host", sides, |(name, machine, peer)| {
        let of = FactsAbout { members: network::members(peer, here), ..asked_about(pair) };
        let facts = |remote: &Remote| Facts::ask(remote, &of, LIMIT);
        Ok(ask(name, machine, known_hosts, facts).map(|host| AskedHost { here, run, ..host }))
    });
    let (mut hosts, mut met) = (Vec::new(), Vec::new());
    for ((_, machine, _), host) in sides.into_iter().zip(asked) {
        match host {
            Ok(Ok(host)) => {
                if host.identity.is_new {
                    met.push(format!("{}: {}", machine.address, login::new_key(&host.identity)));
                }
                findings.extend(OF_A_HOST.iter().flat_map(|examine| examine(&host, pair)));
                findings.extend(room::examine(&host, pair, fleet));
                hosts.push(host);
            }
            Ok(Err((stage, failure))) => findings.push(login::refused(machine, stage, &failure)),
            Err(failure) => findings.push(login::refused(machine, LoginStage::Facts, &failure)),
        }
    }
    let Ok(hosts) = <[AskedHost<'_>; 2]>::try_from(hosts) else {
        findings.push(Diagnosis::warn(
            "between the hosts",
            "not looked at, because a host did not answer",
            "mend that first",
        ));
        return Examination { findings, met, hosts: None };
    };
    findings.extend(OF_BOTH.iter().flat_map(|examine| examine(&hosts, pair)));
    findings.extend(firmware::examine(&hosts, fleet));
    findings.extend(domains::examine(&hosts, fleet));
    let hosts =
        hosts.map(|AskedHost { remote, identity, facts, .. }| ExaminedHost { remote, identity, facts });
    Examination { findings, met, hosts: Some(hosts) }
}

/// Examines a pair before a run, or for a `run` that has taken its hosts, and refuses one on which no run is possible. `tell`
/// hears of hosts that were met for the first time.
///
/// # Errors
///
/// Something is missing, or a host does not answer.
pub fn admit(
    chosen: &ChosenPair,
    fleet: WantedFleet<'_>,
    run: Option<&str>,
    tell: impl Fn(&str),
) -> Result<[ExaminedHost; 2]> {
    let Examination { findings, met, hosts } =
        examine(&chosen.pair, &chosen.known_hosts, fleet, run, |name| std::env::var(name).ok());
    for sentence in met {
        tell(&sentence);
    }
    let attempted = || format!("run on the pair {}", chosen.pair.name);
    let missing: Vec<String> = findings
        .iter()
        .filter(|finding| finding.verdict == Grade::Missing)
        .map(|Diagnosis { name, seen, advice, .. }| {
            format!("{name}: {seen} ({})", advice.as_deref().unwrap_or_default())
        })
        .collect();
    match hosts {
        Some(hosts) if missing.is_empty() => Ok(hosts),
        _ => Err(Failure::new(attempted(), missing.join("; "))
            .try_next("multivm doctor --inventory FILE says all that was found")),
    }
}

/// Makes a failure one of a stage.
fn at(stage: LoginStage) -> impl Fn(Failure) -> (LoginStage, Box<Failure>) {
    move |failure| (stage, Box::new(failure))
}

fn ask<'a>(
    name: &'static str,
    machine: &'a ListedHost,
    known_hosts: &Path,
    facts: impl Fn(&Remote) -> Result<Facts>,
) -> std::result::Result<AskedHost<'a>, (LoginStage, Box<Failure>)> {
    let remote = Remote::new(format!("{name} ({})", machine.address), machine.login(known_hosts));
    // The login has its time, which is not the clock's.
    remote.identify(LIMIT).map_err(at(LoginStage::Identity))?;
    let identity = remote.log_in(LIMIT).map_err(at(LoginStage::Login))?;
    remote.check("true", LIMIT).map_err(at(LoginStage::Root))?;
    let begin = SystemTime::now();
    let now = remote.check("date +%s", LIMIT).map_err(at(LoginStage::Facts))?;
    let clock = ClockReading { asked: [begin, SystemTime::now()], now: now.trim().parse().ok() };
    let facts = facts(&remote).map_err(at(LoginStage::Facts))?;
    let user = Facts::of_user(&remote.without_sudo(), LIMIT).map_err(at(LoginStage::Facts))?;
    Ok(AskedHost { name, machine, identity, remote, facts, user, clock, here: None, run: None })
}

/// What only hosts of this pair are asked about.
fn asked_about(pair: &Pair) -> FactsAbout {
    let folder = match &pair.storage {
        SharedStorage::Mount(folder) => folder.display().to_string(),
        SharedStorage::Export { .. } | SharedStorage::ServeOn(_) => String::new(),
    };
    let (bridge, subnet) = match &pair.network {
        Network::Bridge { bridge, .. } => (bridge.clone(), String::new()),
        Network::Overlay(subnet) => (String::new(), subnet.to_string()),
        Network::Nat => Default::default(),
    };
    FactsAbout { folder, bridge, subnet, programs: Load::programs(), members: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::file::{Folders, InventoryFile};

    /// A program that a host is not asked for would be missing on every host.
    #[test]
    fn hosts_are_asked_for_the_program_of_every_load() {
        let text = "[[pair]]\nname = 'p'\n[pair.source]\naddress = 'a'\n[pair.target]\naddress = 'b'\n\
                    [pair.storage]\nserve_on = 'target'\n[pair.network]\nnat = true\n";
        let folders = Folders { file: Path::new("/"), home: None };
        let pair = InventoryFile::parse("test.toml", text, &folders).unwrap().pairs.remove(0);
        let asked = asked_about(&pair).programs;
        assert!(Load::ALL.iter().all(|load| asked.contains(&load.row().tool.program)), "{asked:?}");
    }
}
