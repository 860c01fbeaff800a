//! Its definition came along: libvirt's definition of a guest on its present host equals the one before the first move, and that
//! one equals the definition with which the guest was made. Whoever defines it otherwise between two scenarios would else be believed.
//!
//! Every guest is asked after every step, beside the next one: libvirt answers for a guest that moves, too.

mod looks;

use std::collections::HashMap;
use std::sync::Arc;

use super::{About, Advice, AfterAll, Asked, Check, End, GuestLook, Moment, Proof, Scene, StepEnd, lost};
use crate::failure::{Attempt, Failure, FailureKind, Result};
use crate::guest::{Definition, Difference, Fleet, Guest, LossKind};
use crate::libvirt::Connection;
use crate::scenario::Side;
use crate::sys::parallel::at_once;
use looks::{GuestAfterStep, Looks};

pub static ABOUT: About = About {
    id: "definition",
    summary: "its definition came along",
    how: "persistence, live and persistent XML with title, description and metadata, autostart, and the number of snapshots, \
          on the host where the guest is, against those before the first move, and those against the ones with which it was made; asked for \
          every guest after every step, beside the next one; not what libvirt gives a running guest anew on each host, such as its number, \
          aliases, taps and pseudo terminals",
    asked: &[Moment::Start, Moment::Always, Moment::Step, Moment::End],
    advice: &[CHANGED, CHANGED_BEFORE],
    ..About::BASE
};

const CHANGED: Advice = Advice::new(
    "a host defines the guest otherwise than before",
    "was it the migration, a hook of libvirt on that host, or somebody's virsh? libvirtd.log of that host and the guest's XML are \
     in the evidence; with the next migration a wrong persistent definition goes along",
);

const CHANGED_BEFORE: Advice = Advice::new(
    "a host defines the guest otherwise than it was made, before it moves",
    "nobody had moved it since the scenario before, whose last look was right: was it somebody's virsh? libvirtd.log of that host and the \
     guest's XML are in the evidence. The guest is made anew before the next scenario",
);

/// The check.
pub(super) struct SameDefinition;

impl Check for SameDefinition {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn after_all(&self, after: &AfterAll<'_>) -> Vec<Proof> {
        lost::after_all(&ABOUT, after, LossKind::Redefined, &CHANGED_BEFORE)
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let fleet = scene.fleet;
        let known = at_once("read a guest's definition", &fleet.guests, |guest| {
            Ok((guest.name.clone(), KnownDefinition::read(fleet, guest)?))
        });
        let known = KnownFleet {
            guests: known.into_iter().collect::<Result<_>>()?,
            hosts: fleet.hosts.both().map(|host| (host.entry.name.clone(), host.control.clone())),
            another_libvirt: fleet.hosts.source.libvirt != fleet.hosts.target.libvirt,
        };
        let known = Arc::new(known);
        let looks = Looks::start({
            let known = Arc::clone(&known);
            move |guest| known.prove(guest)
        })?;
        Ok(Box::new(DefinitionAsked {
            fleet,
            known,
            looks: Some(looks),
            boots: scene.scenario.boots_itself(),
            before: lost::before(&ABOUT, fleet, LossKind::Redefined, &CHANGED_BEFORE),
        }))
    }
}

struct DefinitionAsked<'a> {
    fleet: &'a Fleet,
    known: Arc<KnownFleet>,
    /// Looks after steps; none after the end.
    looks: Option<Looks>,
    /// Whether the guests of the next step are powered off and on before it. Half of a definition can be read meanwhile.
    boots: bool,
    /// Findings about guests that were made anew before the scenario. The end reports them.
    before: Vec<Proof>,
}

/// The fleet before the first move.
struct KnownFleet {
    guests: HashMap<String, KnownDefinition>,
    /// Source and target, with their names.
    hosts: [(String, Connection); 2],
    another_libvirt: bool,
}

/// A guest before the first move.
struct KnownDefinition {
    definition: Definition,
    /// Whether the target starts the guest at boot. No migration carries that along: each host has its own setting.
    target_autostarts: bool,
}

impl KnownDefinition {
    fn read(fleet: &Fleet, guest: &Guest) -> Result<KnownDefinition> {
        let attempted = || format!("read the definition of {}", guest.name);
        let domain = guest.known_on(fleet.hosts.get(guest.side()))?;
        let definition =
            Definition::read(&domain)?.ok_or_else(|| Failure::new(attempted(), "it is not active"))?;
        let there = guest.domain_on(&fleet.hosts.target)?;
        let there = there.map(|domain| domain.autostarts()).transpose().attempting(attempted)?;
        Ok(KnownDefinition { definition, target_autostarts: there.unwrap_or(false) })
    }
}

impl Asked for DefinitionAsked<'_> {
    fn at_start(&mut self, look: &GuestLook) -> Vec<Proof> {
        // A guest that was restarted for its move has moved before.
        let known = self.known.guests.get(&look.guest.name).filter(|_| look.leg.is_none());
        known.map(|known| self.prove_as_made(&look.guest, known)).into_iter().collect()
    }

    fn on_step(&mut self, end: &StepEnd<'_>) -> Vec<Proof> {
        let Some(looks) = &mut self.looks else { return Vec::new() };
        let after_step = |(number, guest): (usize, &Arc<Guest>)| GuestAfterStep {
            guest: Arc::clone(guest),
            side: guest.side(),
            leg: end.legs.iter().map(|(leg, _)| *leg).find(|leg| leg.guest == number),
        };
        looks.ask(self.fleet.guests.iter().enumerate().map(after_step).collect());
        if self.boots { looks.remaining() } else { looks.answers() }
    }

    fn meanwhile(&mut self) -> Vec<Proof> {
        self.looks.as_mut().map(Looks::answers).unwrap_or_default()
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let mut proofs = match self.looks.take().map(Looks::end) {
            Some(Ok(proofs)) => proofs,
            Some(Err(failure)) => vec![Proof::new(&ABOUT, false, EXPECTED, format!("not known: {failure}"))],
            None => Vec::new(),
        };
        proofs.append(&mut self.before);
        let guests: Vec<&Arc<Guest>> = end.answering.values().collect();
        let now = at_once("read a guest's definition", guests, |guest| Ok(self.known.prove(guest)));
        proofs.extend(now.into_iter().flatten().flatten());
        proofs
    }
}

impl DefinitionAsked<'_> {
    /// Compares what a scenario finds with what the guest was made with.
    fn prove_as_made(&self, guest: &Guest, known: &KnownDefinition) -> Proof {
        let at_home = self.fleet.differences_from_made(guest, &known.definition);
        let autostarts = [known.definition.autostart, known.target_autostarts];
        let hosts = self.fleet.hosts.both().map(|host| host.entry.name.as_str());
        as_made(hosts, at_home, autostarts).of(&guest.name)
    }
}

impl KnownFleet {
    /// Compares a guest's definition on the host where it should be; none while it is not active there, which `placement`
    /// reports.
    fn prove(&self, guest: &Guest) -> Option<Proof> {
        let known = self.guests.get(&guest.name)?;
        let [source, target] = &self.hosts;
        let ((name, connection), autostart) = match guest.side() {
            Side::Source => (source, known.definition.autostart),
            Side::Target => (target, known.target_autostarts),
        };
        let now = guest.domain_through(connection).and_then(|domain| match domain {
            Some(domain) => Definition::read(&domain),
            None => Ok(None),
        });
        let proof = match now {
            Ok(now) => {
                let now = now?;
                let mut found = known.definition.differences(&now, self.another_libvirt);
                found.extend(autostart_differs(autostart, now.autostart));
                check(name, &found, &CHANGED)
            }
            // It left between two questions: its next move was over before this look.
            Err(failure) if failure.kind() == FailureKind::Missing => return None,
            // A definition that cannot be read proves nothing.
            Err(failure) => {
                Proof::new(&ABOUT, false, expected(name), format!("not known: {failure}")).of_no_answer()
            }
        };
        Some(proof.of(&guest.name))
    }
}

/// What looks after steps expect of every host.
const EXPECTED: &str = "each host defines its guests as they were before the first move";

fn expected(host: &str) -> String {
    format!("{host} defines it as it was before the first move")
}

fn autostart_differs(before: bool, now: bool) -> Option<Difference> {
    let word = |on: bool| if on { "on" } else { "off" }.to_owned();
    (before != now).then(|| Difference { what: "autostart".into(), expected: word(before), seen: word(now) })
}

/// The proof about a guest before its first move, by the names of source and target and whether they start it at boot. No guest is made
/// to be started at boot.
fn as_made([source, target]: [&str; 2], mut at_home: Vec<Difference>, [here, there]: [bool; 2]) -> Proof {
    at_home.extend(autostart_differs(false, here));
    let (host, found) = match autostart_differs(false, there) {
        Some(there) if at_home.is_empty() => (target, vec![there]),
        _ => (source, at_home),
    };
    let proof = check(host, &found, &CHANGED_BEFORE);
    let seen = if proof.ok { proof.seen } else { format!("since the scenario before, {}", proof.seen) };
    Proof { expected: proof.expected.replace("before the first move", "made"), seen, ..proof }
}

/// The most differences that one finding lists.
const TOLD: usize = 8;

fn check(host: &str, found: &[Difference], advice: &'static Advice) -> Proof {
    if found.is_empty() {
        return Proof::new(&ABOUT, true, expected(host), "it does");
    }
    let lines = |value: fn(&Difference) -> &str| {
        let mut lines: Vec<String> =
            found.iter().take(TOLD).map(|one| format!("{}: {}", one.what, value(one))).collect();
        if found.len() > TOLD {
            lines.push(format!("{} more", found.len() - TOLD));
        }
        format!("on {host}, {}", lines.join("; "))
    };
    Proof::new(&ABOUT, false, lines(|one| &one.expected), lines(|one| &one.seen)).advise(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_the_path_with_what_was_there_and_what_is() {
        let vcpu = Difference { what: "persistent XML, vcpu".into(), expected: "1".into(), seen: "3".into() };
        let proof = check("target", &[vcpu, autostart_differs(false, true).unwrap()], &CHANGED);
        assert_eq!(proof.expected, "on target, persistent XML, vcpu: 1; autostart: off");
        assert_eq!(proof.seen, "on target, persistent XML, vcpu: 3; autostart: on");
        assert!(!proof.ok && proof.advice == Some(&CHANGED));
        assert!(check("target", &[], &CHANGED).ok);
    }

    #[test]
    fn what_somebody_defines_between_two_scenarios_is_not_believed() {
        let hosts = ["source", "target"];
        let vcpu = Difference { what: "persistent XML, vcpu".into(), expected: "1".into(), seen: "3".into() };
        let told = |at_home: &[&Difference], autostarts| {
            let proof = as_made(hosts, at_home.iter().map(|one| (*one).clone()).collect(), autostarts);
            assert!(proof.ok || proof.advice == Some(&CHANGED_BEFORE));
            (!proof.ok).then_some(proof.seen)
        };
        let at_home = "since the scenario before, on source, persistent XML, vcpu: 3";
        assert_eq!(told(&[&vcpu], [false, false]).as_deref(), Some(at_home));
        assert_eq!(told(&[&vcpu], [true, true]), Some(format!("{at_home}; autostart: on")));
        let there = "since the scenario before, on target, autostart: on";
        assert_eq!(told(&[], [false, true]).as_deref(), Some(there));
        assert_eq!(told(&[], [false, false]), None);
        assert_eq!(as_made(hosts, Vec::new(), [false; 2]).expected, "source defines it as it was made");
    }

    #[test]
    fn of_many_differences_the_rest_is_counted() {
        let one = Difference { what: "x".into(), expected: "1".into(), seen: "2".into() };
        assert!(check("target", &vec![one; TOLD + 3], &CHANGED).seen.ends_with("; 3 more"));
    }
}
