//! Looks that a script takes: each is an event, whatever becomes of it, and none waits for another.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rstest::rstest;

use super::*;
use crate::scenario::Direction;
use crate::sys::parallel::locked;

/// Eyes that see what they are told to, and note whose witness rests.
#[derive(Default)]
struct Script {
    /// The guest that does not answer.
    silent: Option<usize>,
    /// The guest that makes whoever looks at it panic.
    dreadful: Option<usize>,
    /// A look at guest 0 ends when this says so.
    gate: Option<Mutex<Receiver<()>>>,
    /// What was done, in its order.
    done: Mutex<Vec<String>>,
}

impl Script {
    fn see(&self, number: usize, leg: Option<Leg>, what: String) -> Result<GuestLook> {
        if let Some(gate) = self.gate.as_ref().filter(|_| number == 0) {
            locked(gate).recv().unwrap();
        }
        locked(&self.done).push(what);
        assert_ne!(Some(number), self.dreadful, "a panic that a test makes");
        if self.silent == Some(number) {
            return Err(Failure::new("look into a guest", "it does not answer"));
        }
        Ok(GuestLook { leg, ..GuestLook::in_a_test(&format!("vm{number}"), "11aa", Instant::now()) })
    }
}

impl Look for Script {
    fn first(&self, number: usize, leg: Option<Leg>, mode: Mode) -> Result<GuestLook> {
        self.see(number, leg, format!("first {number} {mode}"))
    }

    fn again(&self, number: usize, leg: Option<Leg>) -> Result<GuestLook> {
        self.see(number, leg, format!("again {number}"))
    }

    fn rest(&self, number: usize) {
        locked(&self.done).push(format!("rest {number}"));
    }

    fn hosts(&self) -> [Result<Observation>; 2] {
        assert_eq!(self.dreadful, None, "a panic that a test makes");
        ["source", "target"].map(|host| Err(Failure::new(format!("look at {host}"), "it is scripted")))
    }
}

fn leg(guest: usize) -> Leg {
    Leg { guest, direction: Direction::Out, round: 1 }
}

/// What comes of looks, in the order of its arrival.
fn seen<'env>(eyes: &'env Script, send: impl FnOnce(&Lookout<'_, 'env>)) -> Vec<String> {
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let lookout = Lookout::new(scope, eyes, sender);
        send(&lookout);
    });
    receiver.iter().map(told).collect()
}

fn told(event: CaseEvent<'_>) -> String {
    let guest = |what: &str, number: usize, leg: Option<Leg>, look: Result<Box<GuestLook>>| {
        let after = leg.map_or(String::new(), |leg| format!(" after {}", leg.guest));
        let saw = look.map_or_else(|failure| failure.cause.to_string(), |look| look.guest.name.clone());
        format!("{what} {number}{after}: {saw}")
    };
    match event {
        CaseEvent::FirstLook { number, leg, look } => guest("first", number, leg, look),
        CaseEvent::Guest { number, leg, look } => guest("again", number, leg, look),
        CaseEvent::Hosts { seen, .. } => {
            let saw = seen.map(|seen| seen.err().map_or(String::new(), |failure| failure.to_string()));
            format!("hosts: {}", saw.join("; "))
        }
        _ => "something else".to_owned(),
    }
}

#[test]
fn a_first_look_has_the_move_for_which_its_guest_was_started_anew() {
    let eyes = Script::default();
    let seen = seen(&eyes, |lookout| lookout.look_first(1, Some(leg(1)), Mode::Postcopy));
    assert_eq!(seen, ["first 1 after 1: vm1"]);
    assert_eq!(*locked(&eyes.done), ["first 1 postcopy"], "its witness works at the pace of the mode");
}

#[rstest]
#[case::after_a_move(false, &["again 2"])]
#[case::for_the_last_time(true, &["again 2", "rest 2"])]
fn a_witness_rests_after_the_last_look(#[case] pause: bool, #[case] expected: &[&str]) {
    let eyes = Script::default();
    assert_eq!(seen(&eyes, |lookout| lookout.look_into(2, Some(leg(2)), pause)), ["again 2 after 2: vm2"]);
    assert_eq!(*locked(&eyes.done), expected);
}

#[test]
fn a_witness_that_did_not_answer_is_not_asked_to_rest() {
    let eyes = Script { silent: Some(2), ..Script::default() };
    assert_eq!(seen(&eyes, |lookout| lookout.look_into(2, None, true)), ["again 2: it does not answer"]);
    assert_eq!(*locked(&eyes.done), ["again 2"]);
}

#[test]
fn both_hosts_come_in_one_event() {
    let eyes = Script::default();
    let seen = seen(&eyes, |lookout| lookout.look_at_hosts(None));
    assert_eq!(seen.len(), 1);
    assert!(seen[0].contains("look at source") && seen[0].contains("look at target"), "{seen:?}");
}

#[test]
fn a_look_that_panics_is_a_look_that_failed() {
    let eyes = Script { dreadful: Some(0), ..Script::default() };
    let first = seen(&eyes, |lookout| lookout.look_first(0, None, Mode::Precopy));
    assert_eq!(first, ["first 0: it panicked"]);
    assert_eq!(seen(&eyes, |lookout| lookout.look_into(0, None, true)), ["again 0: it panicked"]);
    assert!(seen(&eyes, |lookout| lookout.look_at_hosts(None))[0].matches("it panicked").count() == 2);
}

#[test]
fn a_guest_that_hangs_keeps_nobody_waiting() {
    let (open, gate) = channel();
    let eyes = Script { gate: Some(Mutex::new(gate)), ..Script::default() };
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let lookout = Lookout::new(scope, &eyes, sender);
        lookout.look_into(0, None, false);
        lookout.look_into(1, None, false);
        assert_eq!(receiver.recv().map(told).unwrap(), "again 1: vm1");
        // Only now the first one may go on.
        open.send(()).unwrap();
        assert_eq!(receiver.recv().map(told).unwrap(), "again 0: vm0");
    });
}
