//! The panel of a scenario's checks, which answer one after the other.

use super::journal::Journal;
use crate::check::{Asked, Proof, Scene, applying};
use crate::failure::Result;

#[derive(Default)]
pub struct Panel<'a>(Vec<Box<dyn Asked + 'a>>);

impl<'a> Panel<'a> {
    /// A panel of these checks.
    #[cfg(test)]
    pub fn of(checks: Vec<Box<dyn Asked + 'a>>) -> Panel<'a> {
        Panel(checks)
    }

    /// Begins every check of the table that applies to the scenario.
    pub fn begin(scene: &Scene<'a>) -> Result<Panel<'a>> {
        Ok(Panel(applying(scene.scenario).map(|check| check.begin(scene)).collect::<Result<_>>()?))
    }

    /// Asks every check, and writes its proofs into the journal.
    pub fn ask(&mut self, journal: &mut Journal<'_>, mut question: impl FnMut(&mut dyn Asked) -> Vec<Proof>) {
        journal.prove(self.0.iter_mut().flat_map(|check| question(&mut **check)));
    }

    /// Passes something to every check that proves nothing.
    pub fn tell(&mut self, tell: impl Fn(&mut dyn Asked)) {
        self.0.iter_mut().for_each(|check| tell(&mut **check));
    }

    /// Whether a check waits for evidence of completed moves.
    pub fn is_waiting(&self) -> bool {
        self.0.iter().any(|check| check.is_waiting())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::check::{memory, reboot};
    use crate::record::{Event, Record, RunHeader, read};

    /// A check that notes what it is asked, and answers with a proof that holds or not.
    struct Noting<'a> {
        name: &'static str,
        holds: bool,
        waits: bool,
        asked: &'a RefCell<Vec<&'static str>>,
    }

    impl Asked for Noting<'_> {
        fn meanwhile(&mut self) -> Vec<Proof> {
            self.asked.borrow_mut().push(self.name);
            if self.holds {
                vec![Proof::new(&memory::ABOUT, true, "as it was", "as it was")]
            } else {
                vec![Proof::new(&reboot::ABOUT, false, "one boot", "two boots")]
            }
        }

        fn is_waiting(&self) -> bool {
            self.waits
        }
    }

    #[test]
    fn every_check_is_asked_in_turn_and_every_proof_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let mut journal = Journal::new("a::b", &record);
        let asked = RefCell::default();
        let check = |name, holds| -> Box<dyn Asked + '_> {
            Box::new(Noting { name, holds, waits: false, asked: &asked })
        };
        let mut panel = Panel(vec![check("first", true), check("second", false), check("third", true)]);
        panel.ask(&mut journal, |check| check.meanwhile());
        assert_eq!(*asked.borrow(), ["first", "second", "third"], "a proof that does not hold ends nothing");
        let written = read(folder.path()).unwrap().into_iter().flat_map(|(_, event)| match event {
            Event::ChecksHeld { held, .. } => held.into_iter().map(|(check, _)| (check, true)).collect(),
            Event::CheckFailed(finding) => vec![(finding.check, false)],
            _ => Vec::new(),
        });
        let expected = [("reboot", false), ("memory", true), ("memory", true)];
        assert!(written.eq(expected.map(|(check, ok)| (check.to_owned(), ok))));
        assert!(journal.has_findings());
    }

    #[test]
    fn telling_reaches_every_check() {
        let asked = RefCell::default();
        let check = |name| -> Box<dyn Asked + '_> {
            Box::new(Noting { name, holds: true, waits: false, asked: &asked })
        };
        Panel(vec![check("first"), check("second")]).tell(|check| drop(check.meanwhile()));
        assert_eq!(*asked.borrow(), ["first", "second"]);
    }

    #[test]
    fn one_check_that_waits_is_enough() {
        let asked = RefCell::default();
        let check = |waits| -> Box<dyn Asked + '_> {
            Box::new(Noting { name: "n", holds: true, waits, asked: &asked })
        };
        assert!(!Panel::default().is_waiting());
        assert!(!Panel(vec![check(false), check(false)]).is_waiting());
        assert!(Panel(vec![check(false), check(true)]).is_waiting());
    }
}
