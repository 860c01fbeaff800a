//! Nothing is left behind: when all guests are home again, both hosts have what they had before the first move.
//!
//! The check counts things by their kind, never by drawn numbers: a guest that has come home has another process, tap and
//! folder, but one of each. It looks for the remains of hooks and helpers in the places of libvirt's own: in the control
//! groups of its daemons and of machines, among network links and sockets that listen, and in its folders. Logs and caches
//! grow by design.

mod about;
mod daemons;
mod domain_number;
mod files;
#[cfg(test)]
mod testing;
mod things;

use std::sync::Arc;
use std::time::Duration;

use super::{About, Asked, Check, End, Proof, Scene};
use crate::failure::{Failure, Result};
use crate::guest::{Fleet, Guest};
use crate::host::{Host, Storage, first_held};
use crate::remote::protocol::{Link, Traces};
use crate::scenario::Side;
use crate::sys::parallel::at_once;
use crate::sys::wait::{Poll, wait_for};
pub use about::ABOUT;
use about::LEFT;
use daemons::of_daemons;
use files::{FOLDERS, FOLDERS_OF_EVERYBODY, counts_as_file, is_of_a_definition, length_counts};
use things::left;

/// The check.
pub struct NothingLeft;

impl Check for NothingLeft {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let fleet = scene.fleet;
        let [source, target] = look_at_both(fleet);
        Ok(Box::new(LeftoversAsked { fleet, before: [source?, target?], storage: look_at_storage(fleet)? }))
    }
}

struct LeftoversAsked<'a> {
    fleet: &'a Fleet,
    before: [Traces; 2],
    /// The storage server, where what is on it counts.
    storage: Option<Traces>,
}

/// How long a vanishing thing may take to vanish.
const SETTLING: Duration = Duration::from_secs(5);

/// Looks what is on a host, as far as it counts.
fn look(host: &Host, fleet: &Fleet) -> Result<Traces> {
    let is_exclusive = host.entry.is_exclusive;
    let mut folders = FOLDERS.to_vec();
    if is_exclusive {
        folders.extend(FOLDERS_OF_EVERYBODY);
    }
    let mut traces = host.agent.traces(&folders, fleet.answer_limit())?;
    keep_files(&mut traces, is_exclusive, |path| !is_of_a_definition(path, names(fleet)));
    traces.links.retain(|link| counts(link, is_exclusive, fleet.bridge()));
    // Like links, settings change with the containers and logins of others.
    traces.settings.retain(|_| is_exclusive);
    Ok(traces)
}

fn names(fleet: &Fleet) -> impl Iterator<Item = &str> {
    fleet.guests.iter().chain(&fleet.load_guests).map(|guest| guest.name.as_str())
}

/// Looks what is on the storage server, beside what loads have there; nothing where others have files and processes there.
fn look_at_storage(fleet: &Fleet) -> Result<Option<Traces>> {
    let Storage { entry, agent, .. } = &fleet.storage;
    if !entry.is_exclusive {
        return Ok(None);
    }
    let folders = [&FOLDERS_OF_EVERYBODY[..], &[entry.export.as_str()]].concat();
    let mut traces = agent.traces(&folders, fleet.answer_limit())?;
    // Images of load guests stay for the next scenario with such guests.
    let images = fleet.load_guests.iter().map(|guest| format!("{}/{}", entry.export, guest.image));
    let ours: Vec<String> = images.chain([format!("{}/loads-", entry.export)]).collect();
    keep_files(&mut traces, true, |path| !ours.iter().any(|begin| path.starts_with(begin)));
    // Guests write to theirs.
    let images = fleet.guests.iter().map(|guest| format!("{}/{}", entry.export, guest.image));
    let images: Vec<String> = images.collect();
    let written = traces.files.iter_mut().filter(|file| images.contains(&file.path));
    written.for_each(|file| file.bytes = None);
    let Traces { processes, files, daemons, .. } = traces;
    Ok(Some(Traces { processes, files, daemons, ..Traces::default() }))
}

/// Keeps the files that count, and the lengths that do.
fn keep_files(traces: &mut Traces, is_exclusive: bool, more: impl Fn(&str) -> bool) {
    let files = &mut traces.files;
    // A folder may lie in another one of the list, and a file may grow between the two.
    files.sort();
    files.dedup_by(|one, other| one.path == other.path);
    files.retain(|file| counts_as_file(&file.path) && more(&file.path));
    files
        .iter_mut()
        .for_each(|file| file.bytes = file.bytes.filter(|_| length_counts(&file.path, is_exclusive)));
}

/// Whether a link counts. Where nobody else makes links, whatever is new was left, of any kind. Elsewhere containers and networks of
/// others come and go; there only those count that a guest can have been behind: taps and macvtaps, and all ports of the guests' bridge.
fn counts(link: &Link, is_exclusive: bool, bridge: &str) -> bool {
    is_exclusive || link.is_tap || link.bridge.as_deref() == Some(bridge)
}

/// Forgets the UDP sockets that an earlier look did not see: a resolver opens one for each question, and what is left stays.
fn forget_fleeting(now: &mut Traces, earlier: &Traces) {
    now.ports.retain(|port| !port.protocol.starts_with("udp") || earlier.ports.contains(port));
}

fn look_at_both(fleet: &Fleet) -> [Result<Traces>; 2] {
    let looks = at_once("look what is on a host", fleet.hosts.both(), |host| look(host, fleet));
    let mut looks = looks.into_iter();
    let mut next =
        || looks.next().unwrap_or_else(|| Err(Failure::new("look what is on a host", "no result")));
    [next(), next()]
}

impl Asked for LeftoversAsked<'_> {
    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let Fleet { hosts, guests, .. } = self.fleet;
        // The things of a guest away from home are away with it, and multivm makes that guest anew before the next
        // scenario.
        let is_home =
            |guest: &Arc<Guest>| guest.side() == Side::Source && end.answering.contains_key(&guest.name);
        if end.interrupted || !guests.iter().all(is_home) {
            return Vec::new();
        }
        let proofs = at_once(
            "look what is left on a host",
            hosts.both().into_iter().zip(&self.before),
            |(host, before)| Ok(prove(host, before, self.fleet)),
        );
        let of_storage = self.storage.as_ref().map(|before| prove_storage(before, self.fleet));
        proofs.into_iter().flatten().flatten().chain(of_storage.into_iter().flatten()).collect()
    }
}

/// Looks at the storage server until nothing is left, or until [`SETTLING`] is over.
fn prove_storage(before: &Traces, fleet: &Fleet) -> Vec<Proof> {
    let name = &fleet.storage.entry.name;
    let now = settled(name, before, fleet, |_| Ok(look_at_storage(fleet)?.unwrap_or_default()));
    judged(name, before, now)
}

/// Looks at a host until nothing is left, or until [`SETTLING`] is over.
fn prove(host: &Host, before: &Traces, fleet: &Fleet) -> Vec<Proof> {
    let name = &host.entry.name;
    let now = settled(name, before, fleet, |earlier| {
        let mut now = look(host, fleet)?;
        if let Some(earlier) = earlier {
            forget_fleeting(&mut now, earlier);
        }
        Ok(now)
    });
    judged(name, before, now)
}

/// Judges what a machine has now, if that is known.
fn judged(name: &str, before: &Traces, now: Result<Traces>) -> Vec<Proof> {
    match now {
        Ok(now) => {
            let first = |daemon: &_| first_held(name, daemon);
            vec![of_things(name, &left(before, &now)), of_daemons(name, before, &now, first)]
        }
        Err(failure) => vec![unknown(name, &failure)],
    }
}

/// What a machine has when nothing is left any more, or when [`SETTLING`] is over. Each look gets the one before.
fn settled(
    name: &str,
    before: &Traces,
    fleet: &Fleet,
    look: impl Fn(Option<&Traces>) -> Result<Traces>,
) -> Result<Traces> {
    let mut last = Err(Failure::new(format!("look what is left on {name}"), "no answer"));
    let _ = wait_for(&format!("{name} to be as before"), SETTLING, fleet.stop_flag(), || {
        last = look(last.as_ref().ok());
        match &last {
            Ok(now) if left(before, now).is_empty() => Poll::Ready(()),
            Ok(_) => Poll::again("something is left"),
            Err(failure) => Poll::again(failure.to_string()),
        }
    });
    last
}

/// Without knowledge there is no proof.
fn unknown(name: &str, failure: &Failure) -> Proof {
    Proof::new(&ABOUT, false, expected(name), format!("not known: {failure}"))
}

fn expected(host: &str) -> String {
    format!("nothing more on {host} than before the first move")
}

/// The most things that a finding names one by one.
const TOLD: usize = 10;

fn of_things(host: &str, left: &[String]) -> Proof {
    if left.is_empty() {
        return Proof::new(&ABOUT, true, expected(host), "nothing");
    }
    let mut told: Vec<String> = left.iter().take(TOLD).cloned().collect();
    if left.len() > TOLD {
        told.push(format!("{} more", left.len() - TOLD));
    }
    Proof::new(&ABOUT, false, expected(host), format!("on {host}: {}", told.join("; "))).advise(&LEFT)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::testing::traces;
    use super::*;

    #[rstest]
    #[case::tap("link|vnet9|0|tap|-", true, true)]
    #[case::port_of_the_guests_bridge("link|veth1|0|-|br0", true, true)]
    #[case::port_of_another_bridge("link|veth1|0|-|docker0", true, false)]
    #[case::no_port("link|dummy0|0|-|-", true, false)]
    fn of_a_host_that_others_use_only_links_of_guests_count(
        #[case] line: &str,
        #[case] exclusive: bool,
        #[case] shared: bool,
    ) {
        let seen = traces(&[line]);
        let counted = [true, false].map(|is_exclusive| counts(&seen.links[0], is_exclusive, "br0"));
        assert_eq!(counted, [exclusive, shared]);
    }

    #[test]
    fn a_udp_socket_that_stays_is_left_and_one_that_comes_and_goes_is_not() {
        let earlier = traces(&["port|udp|67|200", "port|udp|1024|201"]);
        let mut now = traces(&["port|udp|67|200", "port|udp|1025|201", "port|tcp|4444|202"]);
        forget_fleeting(&mut now, &earlier);
        assert_eq!(now, traces(&["port|udp|67|200", "port|tcp|4444|202"]));
    }
}
