//! Looks at guests after each step, by a thread of their own: no step waits for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::check::Proof;
use crate::failure::Result;
use crate::guest::Guest;
use crate::plan::Leg;
use crate::scenario::Side;
use crate::sys::parallel::at_once;
use crate::sys::watch::Watch;

/// A guest after a step.
pub struct GuestAfterStep {
    pub guest: Arc<Guest>,
    /// Where the guest was when the step ended. A guest that has moved since is not asked: the look after that move asks it.
    pub side: Side,
    /// The guest's move in that step.
    pub leg: Option<Leg>,
}

impl GuestAfterStep {
    fn is_late(&self) -> bool {
        self.guest.side() != self.side
    }
}

/// The thread that looks. A guest of which it has found something is not asked again: the scenario ends after the step that
/// is under way then.
pub struct Looks {
    asked: Sender<Vec<GuestAfterStep>>,
    answers: Receiver<Vec<Proof>>,
    /// The number of steps without an answer.
    open: usize,
    watch: Watch<()>,
}

impl Looks {
    /// Starts the thread. `look` proves one guest, or nothing of a guest that is not there.
    pub fn start(look: impl Fn(&Guest) -> Option<Proof> + Send + Sync + 'static) -> Result<Looks> {
        let (asked, to_ask) = channel();
        let (answer, answers) = channel();
        let watch = Watch::start("definitions", move |_| answer_all(&to_ask, &answer, look))?;
        Ok(Looks { asked, answers, open: 0, watch })
    }

    /// Asks these guests, and returns at once.
    pub fn ask(&mut self, guests: Vec<GuestAfterStep>) {
        self.open += usize::from(self.asked.send(guests).is_ok());
    }

    /// The answers that have come since the last call.
    pub fn answers(&mut self) -> Vec<Proof> {
        let come: Vec<Vec<Proof>> = self.answers.try_iter().collect();
        self.open -= come.len();
        come.into_iter().flatten().collect()
    }

    /// Waits for all answers that have not come yet.
    pub fn remaining(&mut self) -> Vec<Proof> {
        let come: Vec<Vec<Proof>> = self.answers.iter().take(self.open).collect();
        self.open = 0;
        come.into_iter().flatten().collect()
    }

    /// Waits for all answers that have not come yet, and ends the thread.
    pub fn end(self) -> Result<Vec<Proof>> {
        drop(self.asked);
        self.watch.stop()?;
        Ok(self.answers.iter().flatten().collect())
    }
}

fn answer_all(
    to_ask: &Receiver<Vec<GuestAfterStep>>,
    answers: &Sender<Vec<Proof>>,
    look: impl Fn(&Guest) -> Option<Proof> + Sync,
) {
    let mut found = BTreeSet::new();
    for mut guests in to_ask {
        guests.retain(|asked| !found.contains(&asked.guest.name));
        let proofs = at_once("read a guest's definition", &guests, |asked| {
            let proof = if asked.is_late() { None } else { look(&asked.guest) };
            Ok(proof.map(|proof| proof.after(asked.leg)))
        });
        let proofs: Vec<Proof> = proofs.into_iter().flatten().flatten().collect();
        found.extend(proofs.iter().filter(|proof| !proof.ok).filter_map(|proof| proof.guest.clone()));
        if answers.send(proofs).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::check::definition::ABOUT;
    use crate::sys::parallel::locked;

    /// How long a test waits for what must happen, before it fails.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn guest_after(name: &str) -> GuestAfterStep {
        let guest = Arc::new(Guest::in_a_test(name));
        GuestAfterStep { side: guest.side(), guest, leg: None }
    }

    fn proof(guest: &Guest, ok: bool) -> Option<Proof> {
        Some(Proof::new(&ABOUT, ok, "as it was", "as it is").of(&guest.name))
    }

    fn guests(proofs: &[Proof]) -> Vec<(&str, bool)> {
        proofs.iter().map(|proof| (proof.guest.as_deref().unwrap(), proof.ok)).collect()
    }

    #[test]
    fn nobody_waits_for_a_look_and_every_look_is_answered() {
        let (open, gate) = channel();
        let gate = Mutex::new(gate);
        let mut looks = Looks::start(move |guest| {
            locked(&gate).recv_timeout(PATIENCE).unwrap();
            proof(guest, true)
        })
        .unwrap();
        looks.ask(vec![guest_after("vm1")]);
        looks.ask(vec![guest_after("vm1")]);
        assert!(looks.answers().is_empty(), "the gate is closed");
        open.send(()).unwrap();
        open.send(()).unwrap();
        assert_eq!(guests(&looks.remaining()), [("vm1", true), ("vm1", true)]);
        assert!(looks.answers().is_empty());
        looks.ask(vec![guest_after("vm2")]);
        open.send(()).unwrap();
        assert_eq!(guests(&looks.end().unwrap()), [("vm2", true)]);
    }

    #[test]
    fn what_is_found_is_found_once() {
        let mut looks = Looks::start(|guest| proof(guest, guest.name != "vm1")).unwrap();
        for _ in 0..2 {
            looks.ask(vec![guest_after("vm1"), guest_after("vm2")]);
        }
        let answers = looks.end().unwrap();
        assert_eq!(guests(&answers), [("vm1", false), ("vm2", true), ("vm2", true)]);
    }

    #[test]
    fn a_guest_that_has_moved_since_is_not_asked() {
        let mut looks = Looks::start(|guest| proof(guest, true)).unwrap();
        let late = guest_after("vm1");
        looks.ask(vec![GuestAfterStep { side: Side::Target, ..late }, guest_after("vm2")]);
        assert_eq!(guests(&looks.end().unwrap()), [("vm2", true)]);
    }
}
