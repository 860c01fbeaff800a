//! What asking a check came to.

use super::{About, Advice};
use crate::plan::Leg;

/// One comparison of what was seen with what must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The check that made it.
    pub about: &'static About,
    /// The guest that it is about; none for a host or the whole fleet.
    pub guest: Option<String>,
    /// The move that it is charged to; none before the first and after the last.
    pub leg: Option<Leg>,
    pub ok: bool,
    pub expected: String,
    pub seen: String,
    /// What to do next; one of the check's own.
    pub advice: Option<&'static Advice>,
    /// The guest did not answer: nothing asks it again in this scenario.
    pub silent: bool,
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
        }
    }

    /// About a guest.
    pub fn of(self, guest: &str) -> Proof {
        Proof { guest: Some(guest.to_owned()), ..self }
    }

    /// Charged to a move.
    pub fn after(self, leg: impl Into<Option<Leg>>) -> Proof {
        Proof { leg: leg.into(), ..self }
    }

    /// With advice, which is kept only where the proof does not hold.
    pub fn advise(self, advice: &'static Advice) -> Proof {
        let advice = if self.ok { None } else { Some(advice) };
        Proof { advice, ..self }
    }

    /// Of a guest that did not answer.
    pub fn of_silence(self) -> Proof {
        Proof { silent: true, ..self }
    }

    /// Whether it is a finding after which no guest moves any more.
    pub fn is_damage(&self) -> bool {
        !self.ok && !self.about.goes_on
    }
}

/// Each of several things on a line of its own.
pub(super) fn lines<T: std::fmt::Display>(things: &[T]) -> String {
    things.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}
