//! A case against scripted machines and checks: what happens in which order, what ends it early, and what it waits for. What takes
//! long on a machine takes as long as a gate here: nothing depends on how fast this one is.

use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::check::{
    Asked, BootEnd, HostsLook, LegEnd, Proof, RefusedMigration, Silence, StepEnd, memory, reachable,
};
use crate::guest::Guest;
use crate::migration::{OnProgress, Pace};
use crate::plan::Seed;
use crate::play::lookout::Look;
use crate::play::moves::OnLeg;
use crate::record::{Record, RunHeader};
use crate::scenario::{Direction, Mode, ScenarioFile, Side};
use crate::sys::parallel::locked;
use crate::sys::stop::StopFlag;

/// How long a test waits for what must happen, before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

const PLAIN: &str = "precopy_orderly::in_vms::stress_cpu";
const COMPRESSED: &str = "precopy_compressed::in_vms::stress_memory";
const BOOTING: &str = "precopy_simultaneous::booting::migrated_vms";

/// What happened, in its order. Machines and checks write it.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn add(&self, what: impl Into<String>) {
        locked(&self.0).push(what.into());
    }

    fn all(&self) -> Vec<String> {
        locked(&self.0).clone()
    }

    fn place(&self, what: &str) -> usize {
        let all = self.all();
        all.iter().position(|note| note == what).unwrap_or_else(|| panic!("no {what} in {all:?}"))
    }

    fn count(&self, what: &str) -> usize {
        self.all().iter().filter(|note| *note == what).count()
    }
}

/// What a move comes to.
type Ends = dyn Fn(&Scenario, &Leg) -> LegReport + Sync;

/// Machines that do what they are told to, and note what they are asked.
struct Script<'a> {
    notes: &'a Notes,
    guests: Vec<Arc<Guest>>,
    stop: StopFlag,
    /// Guests that do not answer a look.
    silent: Vec<usize>,
    /// A guest that answers its first look and no other.
    mute: Option<usize>,
    /// What each move comes to.
    ends: Box<Ends>,
    /// Called when a step begins to move.
    on_step: Box<dyn Fn(&Step) + Sync + 'a>,
    /// A look at guest 0 after a move ends when this says so, or after this time.
    gate: Option<(Mutex<Receiver<()>>, Duration)>,
    settle: Duration,
}

impl<'a> Script<'a> {
    fn new(notes: &'a Notes) -> Script<'a> {
        Script {
            notes,
            guests: (1..=3).map(|number| Arc::new(Guest::in_a_test(&format!("vm{number}")))).collect(),
            stop: StopFlag::new(),
            silent: Vec::new(),
            mute: None,
            ends: Box::new(|_, _| moved()),
            on_step: Box::new(|_| ()),
            gate: None,
            settle: Duration::ZERO,
        }
    }

    fn see(&self, number: usize, leg: Option<Leg>) -> Result<GuestLook> {
        if self.silent.contains(&number) {
            return Err(Failure::new("look into a guest", "it does not answer"));
        }
        let name = &self.guests[number].name;
        Ok(GuestLook { leg, ..GuestLook::in_a_test(name, "11aa", Instant::now()) })
    }
}

impl Look for Script<'_> {
    fn first(&self, number: usize, leg: Option<Leg>, _: Mode) -> Result<GuestLook> {
        self.notes.add(format!("first look at {number}"));
        self.see(number, leg)
    }

    fn again(&self, number: usize, leg: Option<Leg>) -> Result<GuestLook> {
        if let (Some((gate, patience)), 0, Some(_)) = (&self.gate, number, leg) {
            let opened = locked(gate).recv_timeout(*patience);
            assert!(opened.is_ok() || *patience < PATIENCE, "the gate never opened");
        }
        self.notes.add(format!("look at {number}"));
        if self.mute == Some(number) {
            return Err(Failure::new("look into a guest", "it fell silent"));
        }
        self.see(number, leg)
    }

    fn rest(&self, number: usize) {
        self.notes.add(format!("rest {number}"));
    }

    fn hosts(&self) -> [Result<Observation>; 2] {
        [(), ()].map(|()| Err(Failure::new("look at a host", "it is scripted")))
    }
}

impl Machines for Script<'_> {
    fn guests(&self) -> &[Arc<Guest>] {
        &self.guests
    }

    fn stop_flag(&self) -> &StopFlag {
        &self.stop
    }

    fn host(&self, side: Side) -> &str {
        match side {
            Side::Source => "source",
            Side::Target => "target",
        }
    }

    fn settle(&self) -> Duration {
        self.settle
    }

    fn answer_limit(&self) -> Duration {
        Duration::ZERO
    }

    fn play(&self, scenario: &Scenario, step: &Step, _: Pace, _: &OnProgress<'_>, over: &OnLeg<'_>) {
        for leg in &step.legs {
            let plainly = if scenario.transport.is_plain() { "" } else { " specially" };
            self.notes.add(format!("move {} {}{plainly}", leg.guest, leg.direction));
        }
        // What this lets go on comes after the moves in the notes.
        (self.on_step)(step);
        for leg in &step.legs {
            over(leg, (self.ends)(scenario, leg));
        }
    }

    fn boot<'env>(&'env self, _: &Lookout<'_, 'env>, _: &[Leg]) -> Result<BootingGuests> {
        self.notes.add("boot");
        Err(Failure::new("start a guest anew", "it is scripted"))
    }

    fn show_hosts(&self, _: Option<Leg>, seen: [Result<Observation>; 2], _: &mut dyn FnMut(&HostsLook<'_>)) {
        self.notes.add(format!("hosts {}", seen.len()));
    }
}

/// A check that notes what it is asked, and finds what it is told to.
#[derive(Default)]
struct Noting<'a> {
    notes: Option<&'a Notes>,
    /// The move after which it finds damage.
    damage_after: Option<usize>,
    /// How often it still waits for evidence.
    waits: Cell<u32>,
}

impl Noting<'_> {
    fn note(&self, what: impl Into<String>) -> Vec<Proof> {
        if let Some(notes) = self.notes {
            notes.add(what);
        }
        Vec::new()
    }
}

impl Asked for Noting<'_> {
    fn at_start(&mut self, look: &GuestLook) -> Vec<Proof> {
        self.note(format!("at_start {}", look.guest.name))
    }

    fn on_boot(&mut self, _: &BootEnd<'_>) -> Vec<Proof> {
        self.note("on_boot")
    }

    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        self.note(format!("on_look {}", look.guest.name))
    }

    fn on_silence(&mut self, silence: &Silence<'_>) -> Vec<Proof> {
        self.note(format!("on_silence {}", silence.guest.name));
        let name = &silence.guest.name;
        vec![
            Proof::new(&reachable::ABOUT, false, "an answer", silence.why).of(name).of_silence(silence.asked),
        ]
    }

    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        self.note(format!(
            "on_leg {} from {}{}",
            end.guest.name,
            end.source,
            if end.refused { " refused" } else { "" }
        ));
        let found = self.damage_after == Some(end.leg.guest);
        found.then(|| Proof::new(&memory::ABOUT, false, "its memory", "another's")).into_iter().collect()
    }

    fn on_refusal(&mut self, refusal: &RefusedMigration<'_>) -> Vec<Proof> {
        let otherwise = refusal.otherwise.as_ref().map_or_else(Clone::clone, |()| "it moves".to_owned());
        self.note(format!("on_refusal {}: {otherwise}", refusal.words))
    }

    fn on_step(&mut self, end: &StepEnd<'_>) -> Vec<Proof> {
        self.note(format!("on_step of {}", end.legs.len()))
    }

    fn is_waiting(&self) -> bool {
        self.waits.get() > 0
    }

    fn before_unload(&mut self, patient: bool) -> Vec<Proof> {
        self.note(format!("before_unload {}", if patient { "patient" } else { "at once" }))
    }
}

/// A migration that completed.
fn moved() -> LegReport {
    let now = Instant::now();
    LegReport { began: Some(now), ended: Some(now), completed: true, ..LegReport::default() }
}

fn failed(why: &str) -> LegReport {
    LegReport { error: Some(Failure::new("migrate", why).into()), ..moved() }
}

fn refused(why: &str) -> LegReport {
    LegReport { refused: true, ..failed(why) }
}

fn leg(guest: usize, direction: Direction) -> Leg {
    Leg { guest, direction, round: 1 }
}

/// Each of these guests goes out, one after the other; then each comes back.
fn one_by_one(guests: &[usize]) -> Vec<Step> {
    let going = |direction| guests.iter().map(move |guest| Step::of(vec![leg(*guest, direction)]));
    going(Direction::Out).chain(going(Direction::Back)).collect()
}

/// What a case came to.
struct Came {
    failure: Option<Failure>,
    has_damage: bool,
    refusal: Option<String>,
}

/// Plays these steps of a scenario, from the first looks to the last ones.
fn play(name: &str, script: &Script<'_>, check: Noting<'_>, steps: &[Step]) -> Came {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::create(folder.path(), RunHeader::default()).unwrap();
    let scenario: Scenario = name.parse().unwrap();
    let file = ScenarioFile::parse("scenarios.toml", include_str!("../../../scenarios.toml")).unwrap();
    let context = Context {
        record: &record,
        file: &file,
        folder: Path::new("/nowhere"),
        pace: Pace::default(),
        seed: Seed(1),
    };
    let (mut journal, before) = (Journal::new(name, &record), HostBaselines::default());
    thread::scope(|scope| {
        let (sender, happenings) = channel();
        let lookout = Lookout::new(scope, script, sender);
        let mut case = Case::new(&scenario, script, &context, &before, &mut journal, lookout, happenings);
        case.panel = Panel::of(vec![Box::new(check)]);
        for number in 0..script.guests.len() {
            case.look_first(number, None);
        }
        case.await_first_looks();
        case.play_steps(steps);
        case.unload();
        Came {
            failure: case.failure.take(),
            has_damage: case.journal.has_damage(),
            refusal: case.journal.refusal().map(str::to_owned),
        }
    })
}

fn noting(notes: &Notes) -> Noting<'_> {
    Noting { notes: Some(notes), ..Noting::default() }
}

#[test]
fn a_move_is_judged_when_it_is_over_and_its_step_when_all_of_it_is() {
    let notes = Notes::default();
    let both = Step::of(vec![leg(0, Direction::Out), leg(1, Direction::Out)]);
    let came = play(PLAIN, &Script::new(&notes), noting(&notes), &[both]);
    assert!(came.failure.is_none() && !came.has_damage);
    let order = ["on_leg vm1 from source", "on_leg vm2 from source", "on_step of 2", "before_unload patient"];
    assert!(order.map(|note| notes.place(note)).is_sorted(), "{:?}", notes.all());
    let starts = ["at_start vm1", "at_start vm2", "at_start vm3"].map(|note| notes.place(note));
    assert!(starts.iter().all(|start| *start < notes.place("move 0 source to target")));
}

/// A script in which the look at guest 0 ends only when the guest moves back: a case that waited for it would never end.
fn looking_while_it_moves(notes: &Notes) -> Script<'_> {
    let (open, gate) = channel();
    let open = Mutex::new(open);
    let on_step = Box::new(move |step: &Step| {
        if step.legs[0].direction == Direction::Back {
            // For this look and for those after this move and after the last one.
            (0..3).for_each(|_| locked(&open).send(()).unwrap());
        }
    });
    Script { gate: Some((Mutex::new(gate), PATIENCE)), on_step, ..Script::new(notes) }
}

fn there_and_back_and_there() -> Vec<Step> {
    [Direction::Out, Direction::Back, Direction::Out].map(|way| Step::of(vec![leg(0, way)])).into()
}

#[test]
fn a_guest_moves_beside_the_look_after_its_last_move_and_every_move_has_its_look() {
    let notes = Notes::default();
    play(PLAIN, &looking_while_it_moves(&notes), noting(&notes), &there_and_back_and_there());
    let order = ["move 0 target to source", "on_leg vm1 from target", "on_look vm1"];
    assert!(order.map(|note| notes.place(note)).is_sorted(), "{:?}", notes.all());
    assert_eq!((notes.count("look at 0"), notes.count("on_look vm1")), (3, 3));
}

#[test]
fn a_guest_makes_no_second_move_beside_a_look() {
    let notes = Notes::default();
    play(PLAIN, &looking_while_it_moves(&notes), noting(&notes), &there_and_back_and_there());
    let all = notes.all();
    let second = all.iter().rposition(|note| note == "move 0 source to target").unwrap();
    assert!(notes.place("on_look vm1") < second, "{all:?}");
}

/// The look at guest 0 ends only after guest 1 has begun to move: a case that waited for it would never end.
#[test]
fn a_step_waits_for_no_look_at_a_guest_that_does_not_move_in_it() {
    let notes = Notes::default();
    let (open, gate) = channel();
    let open = Mutex::new(open);
    let on_step = Box::new(move |step: &Step| {
        if step.legs[0] == leg(1, Direction::Out) {
            locked(&open).send(()).unwrap();
        }
        if step.legs[0] == leg(0, Direction::Back) {
            // For the look after this move.
            locked(&open).send(()).unwrap();
        }
    });
    let script = Script { gate: Some((Mutex::new(gate), PATIENCE)), on_step, ..Script::new(&notes) };
    play(PLAIN, &script, noting(&notes), &one_by_one(&[0, 1]));
    assert!(notes.place("move 1 source to target") < notes.place("look at 0"), "{:?}", notes.all());
}

#[test]
fn guests_settle_before_anything_ends() {
    let notes = Notes::default();
    let settle = Duration::from_millis(300);
    let script = Script { settle, ..Script::new(&notes) };
    let begin = Instant::now();
    play(PLAIN, &script, noting(&notes), &[Step::of(vec![leg(0, Direction::Out)])]);
    assert!(begin.elapsed() >= settle);
    let order = ["move 0 source to target", "look at 0", "before_unload patient"];
    assert!(order.map(|note| notes.place(note)).is_sorted(), "{:?}", notes.all());
}

#[test]
fn at_the_end_every_guest_is_looked_at_and_rests() {
    let notes = Notes::default();
    play(PLAIN, &Script::new(&notes), noting(&notes), &[Step::of(vec![leg(0, Direction::Out)])]);
    assert_eq!([0, 1, 2].map(|guest| notes.count(&format!("rest {guest}"))), [1; 3]);
    assert_eq!(notes.count("look at 0"), 1, "the last step's guests are looked at once, at the end");
    assert_eq!(notes.count("hosts 2"), 2, "after the step and at the end");
}

#[test]
fn after_damage_no_guest_moves_and_nobody_is_patient() {
    let notes = Notes::default();
    let check = Noting { damage_after: Some(0), ..noting(&notes) };
    let came = play(PLAIN, &Script::new(&notes), check, &one_by_one(&[0, 1]));
    assert!(came.has_damage && came.failure.is_none());
    assert_eq!(notes.all().iter().filter(|note| note.starts_with("move")).count(), 1);
    assert!(notes.place("on_step of 1") < notes.place("before_unload at once"), "the step is judged");
}

#[test]
fn what_else_moves_in_the_step_of_the_damage_is_judged_too() {
    let notes = Notes::default();
    let check = Noting { damage_after: Some(0), ..noting(&notes) };
    let both = Step::of(vec![leg(0, Direction::Out), leg(1, Direction::Out)]);
    play(PLAIN, &Script::new(&notes), check, &[both]);
    assert_eq!(notes.count("on_leg vm2 from source"), 1);
}

#[test]
fn a_stop_in_the_middle_of_a_step_ends_the_case_with_that_step() {
    let notes = Notes::default();
    let stop = StopFlag::new();
    let (flag, script) = (stop.clone(), Script::new(&notes));
    let script = Script { stop, on_step: Box::new(move |_| flag.set()), ..script };
    let came = play(PLAIN, &script, noting(&notes), &one_by_one(&[0, 1]));
    assert!(came.failure.is_none());
    assert_eq!(notes.all().iter().filter(|note| note.starts_with("move")).count(), 1);
    assert_eq!(notes.count("on_step of 1"), 1, "what was under way is taken in");
    assert_eq!(notes.all().iter().filter(|note| note.starts_with("before_unload")).count(), 0);
}

#[test]
fn a_guest_that_does_not_answer_at_first_fails_the_case_before_any_move() {
    let notes = Notes::default();
    let script = Script { silent: vec![1], ..Script::new(&notes) };
    let came = play(PLAIN, &script, noting(&notes), &one_by_one(&[0]));
    assert!(came.failure.unwrap().to_string().contains("it does not answer"));
    assert!(notes.all().iter().all(|note| !note.starts_with("move")), "{:?}", notes.all());
    assert_eq!(notes.count("look at 1"), 0, "and it is not looked at again");
    assert_eq!(notes.count("look at 0"), 1);
}

#[test]
fn a_guest_whose_move_failed_is_looked_at_only_at_the_end() {
    let notes = Notes::default();
    let ends = Box::new(|_: &Scenario, leg: &Leg| if leg.guest == 0 { failed("no route") } else { moved() });
    let script = Script { ends, ..Script::new(&notes) };
    let steps = [Step::of(vec![leg(0, Direction::Out)]), Step::of(vec![leg(1, Direction::Out)])];
    let came = play(PLAIN, &script, noting(&notes), &steps);
    assert!(came.refusal.is_none());
    assert_eq!(notes.count("look at 0"), 1);
    assert!(notes.place("on_step of 1") < notes.place("look at 0"));
}

#[test]
fn a_refused_transport_is_judged_by_plain_moves_there_and_back() {
    let notes = Notes::default();
    let ends = Box::new(
        |scenario: &Scenario, _: &Leg| {
            if scenario.transport.is_plain() { moved() } else { refused("no such thing") }
        },
    );
    let script = Script { ends, ..Script::new(&notes) };
    let came = play(COMPRESSED, &script, noting(&notes), &one_by_one(&[0, 1]));
    assert!(came.refusal.unwrap().contains("no such thing"));
    let moves: Vec<_> = notes.all().into_iter().filter(|note| note.starts_with("move")).collect();
    let expected =
        ["move 0 source to target specially", "move 0 source to target", "move 0 target to source"];
    assert_eq!(moves, expected);
    assert_eq!(notes.count("on_leg vm1 from source refused"), 1);
    assert!(notes.all().iter().any(|note| note.starts_with("on_refusal") && note.ends_with(": it moves")));
}

#[test]
fn a_stack_that_cannot_move_plainly_either_refuses_nothing() {
    let notes = Notes::default();
    let script = Script { ends: Box::new(|_, _| refused("no route")), ..Script::new(&notes) };
    play(COMPRESSED, &script, noting(&notes), &one_by_one(&[0]));
    let told = notes.all().into_iter().find(|note| note.starts_with("on_refusal")).unwrap();
    assert!(told.contains("a plain migration source to target fails, too"), "{told}");
}

#[test]
fn a_plain_migration_is_never_refused() {
    let notes = Notes::default();
    let script = Script { ends: Box::new(|_, _| refused("no route")), ..Script::new(&notes) };
    let came = play(PLAIN, &script, noting(&notes), &one_by_one(&[0]));
    assert_eq!((came.refusal, notes.count("on_leg vm1 from source refused")), (None, 0));
}

#[test]
fn guests_that_cannot_be_started_anew_do_not_move() {
    let notes = Notes::default();
    let came = play(BOOTING, &Script::new(&notes), noting(&notes), &one_by_one(&[0]));
    assert!(came.failure.unwrap().to_string().contains("start a guest anew"));
    assert_eq!(notes.count("boot"), 1);
    assert!(notes.all().iter().all(|note| !note.starts_with("move")), "{:?}", notes.all());
}

/// A check that never has what it waits for: the limit for an answer ends that.
#[test]
fn evidence_that_never_comes_is_awaited_no_longer_than_an_answer() {
    let notes = Notes::default();
    let check = Noting { waits: Cell::new(1), ..noting(&notes) };
    play(PLAIN, &Script::new(&notes), check, &one_by_one(&[0]));
    assert_eq!(notes.count("before_unload patient"), 1);
}

#[test]
fn a_guest_that_falls_silent_is_a_finding_and_is_not_asked_again() {
    let notes = Notes::default();
    let script = Script { mute: Some(0), ..looking_while_it_moves(&notes) };
    let came = play(PLAIN, &script, noting(&notes), &there_and_back_and_there());
    assert!(came.has_damage && came.failure.is_none());
    assert_eq!((notes.count("on_silence vm1"), notes.count("look at 0")), (1, 1));
    assert_eq!(notes.count("move 0 source to target"), 1, "it does not move after the one beside the look");
    assert_eq!(notes.count("rest 0"), 0);
}
