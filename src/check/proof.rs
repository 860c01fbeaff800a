//! A check's answer to a question.

use super::{About, Advice};
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

    /// Marks the proof as one of a guest that did not answer.
    pub fn of_silence(self) -> Proof {
        Proof { silent: true, ..self }
    }

    /// Marks the proof as one that knows nothing, because libvirt on a host gave no answer.
    pub fn of_no_answer(self) -> Proof {
        Proof { unanswered: true, ..self }
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
