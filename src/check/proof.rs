//! A check's answer to a question.

use std::time::Instant;

use super::outage::Affected;
use super::{About, Advice, Outage};
use crate::plan::Leg;

/// One comparison of what a check saw with what must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The check that made it.
    pub about: &'static About,
    /// The guest concerned; none for a host or the whole fleet.
    pub guest: Option<String>,
    /// The move that the proof charges; none before the first move and after the last.
    pub leg: Option<Leg>,
    pub ok: bool,
    pub expected: String,
    pub seen: String,
    /// What to do next: one of the check's own pieces of advice.
    pub advice: Option<&'static Advice>,
    /// The guest did not answer: the scenario asks it nothing more.
    pub silent: bool,
    /// libvirt on a host gave no answer, and nothing else is wrong.
    pub unanswered: bool,
    /// What a proof that does not hold tells of an outage; none if it is about something else.
    pub outage: Option<Outage>,
}

impl Proof {
    pub fn new(
        about: &'static About,
        ok: bool,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) -> Proof {
        Proof {
            about,
            guest: None,
            leg: None,
            ok,
            expected: expected.into(),
            seen: seen.into(),
            advice: None,
            silent: false,
            unanswered: false,
            outage: None,
        }
    }

    /// Makes the proof one about a guest.
    pub fn of(self, guest: &str) -> Proof {
        Proof { guest: Some(guest.to_owned()), ..self }
    }

    /// Charges the proof to a move.
    pub fn after(self, leg: impl Into<Option<Leg>>) -> Proof {
        Proof { leg: leg.into(), ..self }
    }

    /// Adds advice, which only a proof that does not hold keeps.
    pub fn advise(self, advice: &'static Advice) -> Proof {
        let advice = if self.ok { None } else { Some(advice) };
        Proof { advice, ..self }
    }

    /// Marks the proof as one of a guest that did not answer a look that began at `asked`.
    pub fn of_silence(self, asked: Instant) -> Proof {
        Proof { silent: true, ..self.tells(Outage::silence(asked)) }
    }

    /// Marks the proof as one that knows nothing, because libvirt on a host gave no answer.
    pub fn of_no_answer(self) -> Proof {
        Proof { unanswered: true, ..self.tells(Outage::of_one_answer()) }
    }

    /// Says what the proof tells of an outage, if it does not hold.
    pub fn tells(self, outage: Outage) -> Proof {
        let outage = if self.ok { None } else { Some(outage) };
        Proof { outage, ..self }
    }

    /// Whether this proof names the cause of what another one shows: the other one is no finding of its own then.
    pub fn explains(&self, other: &Proof) -> bool {
        let (Some(cause), Some(shown)) = (&self.outage, &other.outage) else { return false };
        let same = match cause.of {
            Affected::Guest => {
                self.guest.is_some() && self.guest == other.guest && shown.of != Affected::Storage
            }
            Affected::Libvirt => shown.of == Affected::Libvirt,
            Affected::Storage => true,
        };
        same && cause.explains(shown)
    }

    /// Whether this is a finding after which no guest may move.
    pub fn is_damage(&self) -> bool {
        !self.ok && !self.about.goes_on
    }
}

/// Joins several things, each on a line of its own.
pub(super) fn lines<T: std::fmt::Display>(things: &[T]) -> String {
    things.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{copies, memory, placement, qemu};
    use super::*;

    fn found(about: &'static About, outage: Outage) -> Proof {
        Proof::new(about, false, "e", "s").tells(outage)
    }

    #[test]
    fn a_cause_explains_what_is_shown_of_the_same_guest_only() {
        let at = Instant::now();
        let ended = found(&qemu::ABOUT, Outage::cause(at)).of("vm1");
        let unheard = |guest| found(&memory::ABOUT, Outage::part(at)).of(guest);
        assert!(ended.explains(&unheard("vm1")) && !ended.explains(&unheard("vm2")));
        assert!(!unheard("vm1").explains(&ended) && !ended.explains(&ended));
        assert!(!ended.explains(&Proof::new(&memory::ABOUT, false, "e", "bad pages").of("vm1")));
        let of_nobody = found(&qemu::ABOUT, Outage::cause(at));
        assert!(!of_nobody.explains(&found(&memory::ABOUT, Outage::part(at))));
    }

    #[test]
    fn a_silent_libvirt_explains_questions_about_every_guest_and_no_silence_of_a_guest() {
        let at = Instant::now();
        let blind = found(&copies::ABOUT, Outage::of_libvirt(at));
        let unasked = |guest| Proof::new(&placement::ABOUT, false, "e", "s").of_no_answer().of(guest);
        assert!(blind.explains(&unasked("vm1")) && blind.explains(&unasked("vm2")));
        assert!(!blind.explains(&found(&memory::ABOUT, Outage::part(at)).of("vm1")));
        // A guest that hangs, and nobody says that libvirt does.
        let gap = found(&memory::ABOUT, Outage::gap(at, Duration::from_secs(9))).of("vm1");
        assert!(gap.explains(&unasked("vm1")) && !gap.explains(&unasked("vm2")));
    }

    #[test]
    fn a_proof_that_holds_tells_of_no_outage() {
        let proof = Proof::new(&memory::ABOUT, true, "e", "s").tells(Outage::cause(Instant::now()));
        assert_eq!(proof.outage, None);
    }
}
