//! Exactly one active copy, on the right host: of every guest, after every step.

use std::time::Instant;

use super::{About, Advice, Asked, Check, Moment, Outage, Proof, Scene, StepEnd};
use crate::failure::{Attempt, Result};
use crate::guest::{Fleet, Guest};
use crate::host::{Host, Hosts};
use crate::scenario::Side;
use crate::sys::parallel::at_once;

pub static ABOUT: About = About {
    id: "placement",
    summary: "exactly one copy",
    how: "running on the host it should be on, not active on the other; asked for every guest after every step",
    asked: &[Moment::Step],
    advice: &[ELSEWHERE],
    ..About::BASE
};

const ELSEWHERE: Advice = Advice::new(
    "a guest is not where it should be",
    "virsh domstate --reason on both hosts; their libvirtd.log is in the evidence",
);

/// The check.
pub struct OneCopy;

impl Check for OneCopy {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(PlacementAsked { fleet: scene.fleet, last: Instant::now() }))
    }
}

struct PlacementAsked<'a> {
    fleet: &'a Fleet,
    /// When the guests were looked for last: all of them were where they should be.
    last: Instant,
}

impl Asked for PlacementAsked<'_> {
    fn on_step(&mut self, end: &StepEnd<'_>) -> Vec<Proof> {
        let Fleet { hosts, guests, .. } = self.fleet;
        let last = std::mem::replace(&mut self.last, Instant::now());
        let places = Places::look(hosts);
        let proof = |(number, guest): (usize, &std::sync::Arc<Guest>)| {
            let own = end.legs.iter().find(|(leg, _)| leg.guest == number);
            // It has no place yet, which is the finding of its migration.
            if own.is_some_and(|(_, report)| report.never_ended()) {
                return None;
            }
            let proof = places.check(guest, hosts).of(&guest.name).after(own.map(|(leg, _)| *leg));
            Some(match places.outage(guest, last) {
                Some(outage) => proof.tells(outage),
                None => proof,
            })
        };
        guests.iter().enumerate().filter_map(proof).collect()
    }
}

/// The domains of both hosts: which run, and which are active.
pub struct Places {
    source: std::result::Result<Lists, String>,
    target: std::result::Result<Lists, String>,
}

struct Lists {
    host: String,
    running: Vec<String>,
    active: Vec<String>,
}

impl Places {
    /// Asks both hosts; a host that does not answer proves nothing.
    pub fn look(hosts: &Hosts) -> Places {
        let lists = |host: &Host| -> crate::libvirt::Result<Lists> {
            Ok(Lists {
                host: host.entry.name.clone(),
                running: host.control.running()?,
                active: host.control.active()?,
            })
        };
        let mut lists = at_once("ask a host which guests run", hosts.both(), |host| {
            lists(host).attempting(|| format!("ask {} which guests run", host.entry.name))
        })
        .into_iter()
        .map(|lists| lists.map_err(|failure| failure.to_string()));
        let mut next = || lists.next().unwrap_or_else(|| Err("no answer".into()));
        Places { source: next(), target: next() }
    }

    /// What a guest's place tells of an outage of the guest; none if it runs somewhere, or may. It ran at `last`.
    fn outage(&self, guest: &Guest, last: Instant) -> Option<Outage> {
        let [Ok(source), Ok(target)] = [&self.source, &self.target] else { return None };
        let is_on = |lists: fn(&Lists) -> &Vec<String>| {
            [source, target].iter().any(|host| lists(host).contains(&guest.name))
        };
        match (is_on(|lists| &lists.running), is_on(|lists| &lists.active)) {
            (true, _) => None,
            (false, true) => Some(Outage::down(last)),
            (false, false) => Some(Outage::cause(last)),
        }
    }

    /// Proves one guest.
    pub fn check(&self, guest: &Guest, hosts: &Hosts) -> Proof {
        let (mut ok, mut answered) = (true, true);
        let mut seen = Vec::new();
        for (side, lists) in [(Side::Source, &self.source), (Side::Target, &self.target)] {
            match lists {
                Ok(lists) => {
                    let running = lists.running.contains(&guest.name);
                    let active = lists.active.contains(&guest.name);
                    ok &= if side == guest.side() { running } else { !active };
                    let state = match (running, active) {
                        (true, _) => "running",
                        (false, true) => "active but not running",
                        (false, false) => "not active",
                    };
                    seen.push(format!("{state} on {}", lists.host));
                }
                // A host that does not answer proves nothing.
                Err(error) => {
                    answered = false;
                    seen.push(error.clone());
                }
            }
        }
        let other = if guest.side() == Side::Source { Side::Target } else { Side::Source };
        let [right, other] = [guest.side(), other].map(|side| &hosts.get(side).entry.name);
        let expected = format!("running on {right}, not active on {other}");
        let proof = Proof::new(&ABOUT, ok && answered, expected, seen.join(", ")).advise(&ELSEWHERE);
        match (ok, answered) {
            (true, false) => proof.of_no_answer(),
            (false, false) => proof.tells(Outage::of_one_answer()),
            (_, true) => proof,
        }
    }
}
