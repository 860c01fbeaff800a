//! All checks that a scenario is asked for, asked one after the other.

use super::journal::Journal;
use crate::check::{Asked, CHECKS, Proof, Scene};
use crate::failure::Result;

#[derive(Default)]
pub struct Panel<'a>(Vec<Box<dyn Asked + 'a>>);

impl<'a> Panel<'a> {
    /// Begins every check of the table that applies to the scenario.
    pub fn begin(scene: &Scene<'a>) -> Result<Panel<'a>> {
        let applying = CHECKS.iter().filter(|check| check.applies(scene.scenario));
        Ok(Panel(applying.map(|check| check.begin(scene)).collect::<Result<_>>()?))
    }

    /// Asks every check, and writes its proofs down.
    pub fn ask(&mut self, journal: &mut Journal<'_>, mut question: impl FnMut(&mut dyn Asked) -> Vec<Proof>) {
        for check in &mut self.0 {
            for proof in question(&mut **check) {
                journal.prove(proof);
            }
        }
    }

    /// Tells every check something that proves nothing.
    pub fn tell(&mut self, tell: impl Fn(&mut dyn Asked)) {
        self.0.iter_mut().for_each(|check| tell(&mut **check));
    }

    /// Whether a check waits for evidence of moves that are over.
    pub fn is_waiting(&self) -> bool {
        self.0.iter().any(|check| check.is_waiting())
    }
}
