//! No reboot: the boot id stayed and the uptime grew.

use std::collections::{BTreeSet, HashMap};

use super::lost::{self, LOST};
use super::{
    About, Advice, AfterAll, Asked, BootEnd, Check, End, GuestLook, Moment, Outage, Proof, Scene, StepEnd,
};
use crate::failure::Result;
use crate::guest::LossKind;
use crate::host::Listener;
use crate::libvirt::{EventKind, HostEvent};
use crate::remote::Observation;

pub static ABOUT: About = About {
    id: "reboot",
    summary: "no reboot",
    how: "boot id unchanged, uptime grew, and libvirt reported no reset, since the end of a scenario before that proved the guest; a guest that is started \
          anew boots once",
    asked: &[Moment::Leg, Moment::Step, Moment::End],
    advice: &[REBOOTED, BACK, RESET, AGAIN, LOST],
    ..About::BASE
};

const REBOOTED: Advice = Advice::new(
    "the boot id is another one",
    "the guest was rebooted: read its console log and QEMU's log in the evidence for a reset or a triple fault",
);

const BACK: Advice = Advice::new(
    "the uptime did not grow",
    "the guest's clock went back: compare the clock's lines in QEMU's log",
);

const RESET: Advice = Advice::new(
    "libvirt reported a reset",
    "read the guest's console log in the evidence: did it reset itself, or was it reset?",
);

const AGAIN: Advice = Advice::new(
    "a guest that was started booted more than once",
    "read its console logs of both hosts in the evidence for a triple fault or a panic",
);

/// The check.
pub struct NoReboot;

impl Check for NoReboot {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn after_all(&self, after: &AfterAll<'_>) -> Vec<Proof> {
        lost::after_all(&ABOUT, after, LossKind::Rebooted, &LOST)
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let before = lost::before(&ABOUT, scene.fleet, LossKind::Rebooted, &LOST);
        Ok(Box::new(RebootAsked::new(scene.fleet.hosts.events.listen(None), before)))
    }
}

struct RebootAsked {
    /// libvirt's events about all guests.
    events: Listener,
    resets: Vec<HostEvent>,
    /// Guests whose reset is reported, and that no look has seen since.
    reset: BTreeSet<String>,
    /// Each guest as its last look saw it.
    guests: HashMap<String, Observation>,
    /// Findings about guests that rebooted before the scenario. The end reports them: the guests are whole again, and move.
    before: Vec<Proof>,
}

impl RebootAsked {
    fn new(events: Listener, before: Vec<Proof>) -> RebootAsked {
        RebootAsked { events, resets: Vec::new(), reset: BTreeSet::new(), guests: HashMap::new(), before }
    }

    fn listen(&mut self) {
        self.resets.extend(self.events.try_iter().filter(|event| event.kind == EventKind::Rebooted));
    }

    /// Collects resets that libvirt reports, of one guest or of all: a guest that has not come up again cannot answer for its boot id.
    fn resets(&mut self, of: Option<&str>) -> Vec<Proof> {
        self.listen();
        let is_asked = |event: &mut HostEvent| of.is_none_or(|guest| guest == event.domain);
        let resets: Vec<HostEvent> = self.resets.extract_if(.., is_asked).collect();
        let proof = |event: HostEvent| {
            let seen = self.guests.get(&event.domain)?;
            let proof = reported(&event.host, seen.uptime_s).tells(Outage::cause(event.at));
            self.reset.insert(event.domain.clone());
            Some(proof.of(&event.domain))
        };
        resets.into_iter().filter_map(proof).collect()
    }
}

impl Asked for RebootAsked {
    fn learn_start(&mut self, look: &GuestLook) {
        self.guests.insert(look.guest.name.clone(), look.seen.clone());
    }

    fn on_boot(&mut self, boot: &BootEnd<'_>) -> Vec<Proof> {
        // `once` counts the resets of its boot.
        self.listen();
        self.resets.retain(|event| event.domain != boot.guest.name);
        let proof = once(boot.resets).tells(Outage::cause(boot.started));
        vec![proof.of(&boot.guest.name).after(boot.leg)]
    }

    /// A reset that libvirt has reported is the finding, and the boot after it is none.
    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        let mut proofs = self.resets(Some(&look.guest.name));
        let Some(before) = self.guests.get_mut(&look.guest.name) else { return proofs };
        let proof = check(before, &look.seen).tells(Outage::cause(before.at));
        before.clone_from(&look.seen);
        if proof.ok || !self.reset.remove(&look.guest.name) {
            proofs.push(look.proof(proof));
        }
        proofs
    }

    fn on_step(&mut self, _end: &StepEnd<'_>) -> Vec<Proof> {
        self.resets(None)
    }

    fn at_end(&mut self, _end: &End<'_>) -> Vec<Proof> {
        let mut proofs = self.resets(None);
        proofs.append(&mut self.before);
        proofs
    }
}

/// Compares two looks at a guest, before and after a move.
pub fn check(before: &Observation, after: &Observation) -> Proof {
    let same = before.boot_id == after.boot_id;
    let grew = after.uptime_s > before.uptime_s;
    let show = |seen: &Observation| format!("boot id {}, uptime {:.2} s", seen.boot_id, seen.uptime_s);
    let expected = format!("boot id {}, uptime above {:.2} s", before.boot_id, before.uptime_s);
    Proof::new(&ABOUT, same && grew, expected, show(after)).advise(if same { &BACK } else { &REBOOTED })
}

/// The finding about a reset that libvirt reported, even of a guest that has not come up again.
pub fn reported(host: &str, uptime_s: f64) -> Proof {
    let expected = format!("no reset; uptime was {uptime_s:.2} s at the last look");
    Proof::new(&ABOUT, false, expected, format!("libvirt reported a reset on {host}")).advise(&RESET)
}

/// Proves that a guest booted once after its start: nothing reset it while it booted and moved.
pub fn once(resets: usize) -> Proof {
    Proof::new(&ABOUT, resets == 0, "no reset from its start until it is up", format!("{resets} resets"))
        .advise(&AGAIN)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;

    fn seen(boot_id: &str, uptime_s: f64) -> Observation {
        Observation { uptime_s, ..Observation::in_a_test(boot_id, Instant::now()) }
    }

    #[rstest]
    #[case("a", 11.0, true)]
    #[case("a", 10.0, false)]
    #[case("b", 11.0, false)]
    fn a_new_boot_id_or_a_shorter_uptime_is_a_reboot(
        #[case] boot_id: &str,
        #[case] uptime_s: f64,
        #[case] ok: bool,
    ) {
        assert_eq!(check(&seen("a", 10.0), &seen(boot_id, uptime_s)).ok, ok);
    }
}
