//! What a halt of multivm costs a scenario: a host hears no keepalive meanwhile, and closes its connection to multivm. Migrations that
//! are under way end with it, and nothing more can be asked.

use std::time::{Duration, Instant};

use super::journal::Journal;
use crate::guest::Fleet;
use crate::migration::{Again, LegReport, Pace};
use crate::sys::halt;

/// libvirtd asks every 5 s, and closes a connection after 5 questions without an answer (`keepalive_interval` and `keepalive_count` of
/// libvirtd.conf, by default): no shorter halt does that.
const LEAST: Duration = Duration::from_secs(20);

const WHY: &str =
    "multivm itself did not run for a while, and a host closed its connection to libvirt meanwhile";

/// The beginning of a play.
pub struct Began {
    at: Instant,
    suspended: Duration,
}

/// A halt during a play that has closed a connection, and its length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut(Duration);

impl Began {
    pub fn now() -> Began {
        Began { at: Instant::now(), suspended: halt::suspended() }
    }

    /// What halts since then have cost; none if they were short, or every connection of the fleet is open.
    pub fn cut(&self, fleet: &Fleet) -> Option<Cut> {
        let suspended = halt::suspended().saturating_sub(self.suspended);
        Cut::of(halt::within(self.at, Instant::now()) + suspended, || fleet.has_closed_connection())
    }
}

impl Cut {
    fn of(halted: Duration, is_closed: impl FnOnce() -> bool) -> Option<Cut> {
        (halted >= LEAST && is_closed()).then_some(Cut(halted))
    }

    /// For the reader of an outcome that is not a pass.
    pub fn reason(self) -> String {
        format!(
            "{WHY} ({:.0} s): migrations that were under way ended with it, and what could not be asked is not known",
            self.0.as_secs_f64()
        )
    }

    /// One more play, at the same pace. It explains every migration that failed, and every finding that knows nothing for want
    /// of an answer.
    pub fn again(self, pace: Pace, journal: &Journal<'_>, legs: &[LegReport]) -> Again {
        let failed = legs.iter().filter(|leg| leg.error.is_some()).count();
        Again { pace, why: WHY, explains: failed + journal.unanswered() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Proof, copies};
    use crate::failure::Cause;
    use crate::record::{Record, RunHeader};

    const HALT: Duration = Duration::from_secs(60);

    #[test]
    fn only_a_long_halt_with_a_closed_connection_costs_anything() {
        assert_eq!(Cut::of(HALT, || true), Some(Cut(HALT)));
        assert_eq!(Cut::of(HALT, || false), None);
        assert_eq!(Cut::of(LEAST / 2, || true), None);
    }

    #[test]
    fn failed_migrations_and_unanswered_questions_are_explained() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let mut journal = Journal::new("a::b", &record);
        let proof = || Proof::new(&copies::ABOUT, false, "e", "s");
        journal.prove([proof().of_no_answer(), proof()]);
        journal.settle();
        let failed =
            LegReport { error: Some(Cause::from("client socket is closed")), ..LegReport::default() };
        let again = Cut(HALT).again(Pace::DEFAULT, &journal, &[LegReport::default(), failed]);
        assert_eq!(again.explains, 2);
        assert!(Cut(HALT).reason().contains("(60 s)"));
    }
}
