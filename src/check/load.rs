//! The load was real: it was alive in every sample during the move, and it worked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{About, Advice, Asked, Check, Moment, Outage, Proof, Scene, StepEnd};
use crate::failure::Result;
use crate::load::{LoadLook, LoadWatch, RunningTool, Sample, Timeline, Window, samples_of};
use crate::plan::Leg;
use crate::scenario::{Scenario, Workload};

pub static ABOUT: About = About {
    id: "load",
    summary: "the load was real",
    how: "looked at every second, in every guest and on every host: before, during and after every migration its processes are \
          alive, not stopped, use CPU time and hold their memory; and what a load writes reaches a disk",
    asked: &[Moment::Always, Moment::End],
    only: Some("stress tools"),
    advice: &[ENDED, STOPPED, IDLE, LOST, LET_GO],
    ..About::BASE
};

const ENDED: Advice = Advice::new(
    "a process of the load ended",
    "it ended, or one of its workers did: look for an out-of-memory kill in the kernel log",
);

const STOPPED: Advice =
    Advice::new("a process of the load is stopped", "a signal stopped it (SIGSTOP or SIGTSTP)");

const IDLE: Advice = Advice::new("the load used no CPU time", "it did nothing: was it starved?");

const LOST: Advice = Advice::new(
    "what the load writes does not reach a disk",
    "it wrote to memory only, or nothing: does its disk hang, is its file system one in memory, or one whose files cannot be \
     written synchronously (chattr +S)?",
);

const LET_GO: Advice =
    Advice::new("the load does not hold its memory", "it let go of its memory: was it started again?");

/// The check.
pub(super) struct RealLoad;

impl Check for RealLoad {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        matches!(scenario.workload, Workload::Stress { .. })
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        let guests = scene.fleet.guests.iter().map(|guest| guest.name.clone()).collect();
        Ok(Box::new(LoadAsked { guests, places: Vec::new() }))
    }
}

struct LoadAsked {
    /// Names of guests, in the order of their numbers.
    guests: Vec<String>,
    places: Vec<JudgedPlace>,
}

/// The loads of one machine, and how far the check has judged them.
struct JudgedPlace {
    timeline: Arc<Timeline>,
    /// The look that begins the next window.
    next: usize,
    /// Steps that are over and whose window is still open, in order: when each ended, and the move that it charges.
    open: VecDeque<(Instant, Option<Leg>)>,
}

impl Asked for LoadAsked {
    fn on_load(&mut self, load: &LoadWatch) {
        self.places = load.timelines.iter().cloned().map(JudgedPlace::new).collect();
    }

    fn learn_step(&mut self, end: &StepEnd<'_>) {
        for place in &mut self.places {
            // A load in a guest belongs to that guest's own move, a load on a host to all moves of the step.
            let own = |leg: &&Leg| place.guest().is_none_or(|guest| self.guests[leg.guest] == guest);
            let leg = end.legs.iter().map(|(leg, _)| leg).find(own).copied();
            place.open.push_back((end.ended, leg));
            place.timeline.look_now();
        }
    }

    fn meanwhile(&mut self) -> Vec<Proof> {
        self.places.iter_mut().flat_map(JudgedPlace::judge).collect()
    }

    fn is_waiting(&self) -> bool {
        self.places.iter().any(|place| !place.open.is_empty())
    }

    fn before_unload(&mut self, patient: bool) -> Vec<Proof> {
        let last = |place: &mut JudgedPlace| {
            place.judge().into_iter().chain(place.judge_the_rest(patient)).collect()
        };
        self.places.iter_mut().flat_map::<Vec<Proof>, _>(last).collect()
    }
}

impl JudgedPlace {
    fn new(timeline: Arc<Timeline>) -> JudgedPlace {
        JudgedPlace { timeline, next: 0, open: VecDeque::new() }
    }

    fn guest(&self) -> Option<&str> {
        self.timeline.place.guest()
    }

    /// Judges every step whose window has closed since the last call.
    fn judge(&mut self) -> Vec<Proof> {
        let mut proofs = Vec::new();
        while let Some((ended, leg)) = self.open.front().copied() {
            let closed = self.timeline.read(|looks| {
                let window = Window::closing(looks, self.next, ended)?;
                Some((window.last, StepLooks::of(window, looks)))
            });
            let Some((last, looks)) = closed else { break };
            self.open.pop_front();
            self.next = last;
            proofs.extend(self.prove(&looks, leg));
        }
        proofs
    }

    /// Judges the remaining steps by the looks there are. A look is overdue after `patient` waiting, so that its absence is
    /// a finding.
    fn judge_the_rest(&mut self, patient: bool) -> Vec<Proof> {
        let Some((ended, leg)) = std::mem::take(&mut self.open).pop_front() else { return Vec::new() };
        let cut = self
            .timeline
            .read(|looks| Window::cut_short(looks, self.next).map(|window| StepLooks::of(window, looks)));
        match cut {
            Some(looks) if !patient => self.prove(&looks, leg),
            None if !patient => Vec::new(),
            _ => self.prove_each(leg, |place, load| {
                unknown(place, load, "it gave no answer after the move").tells(Outage::part(ended))
            }),
        }
    }

    fn prove(&self, looks: &StepLooks, leg: Option<Leg>) -> Vec<Proof> {
        let mut numbers = 0..;
        self.prove_each(leg, |place, load| {
            let number = numbers.next().unwrap_or_default();
            match samples_of(&looks.window, number) {
                Ok(samples) => {
                    let earlier =
                        looks.earlier.iter().filter_map(|look| look.samples.as_ref().ok()?.get(number));
                    let proof = check(place, load, &earlier.collect::<Vec<_>>(), &samples);
                    self.with_last_words(tells_of_end(proof, &samples))
                }
                Err(failure) => {
                    let asked = looks.unanswered().unwrap_or_else(Instant::now);
                    unknown(place, load, &failure.to_string()).tells(Outage::part(asked))
                }
            }
        })
    }

    fn prove_each(&self, leg: Option<Leg>, mut prove: impl FnMut(&str, &RunningTool) -> Proof) -> Vec<Proof> {
        let place = &self.timeline.place;
        let proof = |load: &RunningTool| Proof {
            guest: place.guest().map(str::to_owned),
            ..prove(place.name(), load)
        };
        self.timeline.loads.iter().map(proof).map(|proof| proof.after(leg)).collect()
    }

    /// Adds what a load wrote before it failed, which may explain the failure.
    fn with_last_words(&self, mut proof: Proof) -> Proof {
        if !proof.ok {
            let words = self.timeline.last_words();
            if !words.is_empty() {
                proof.seen.push_str(&format!("\nit said: {words}"));
            }
        }
        proof
    }
}

/// The looks that judge a step, and those before them.
struct StepLooks {
    earlier: Vec<LoadLook>,
    window: Vec<LoadLook>,
}

impl StepLooks {
    fn of(window: Window, looks: &[LoadLook]) -> StepLooks {
        StepLooks { earlier: window.before(looks, STALLED).to_vec(), window: window.of(looks).to_vec() }
    }

    /// When the first look began that had no answer.
    fn unanswered(&self) -> Option<Instant> {
        self.window.iter().find(|look| look.samples.is_err()).map(|look| look.asked)
    }
}

/// A load of which nothing is left may have ended with all that ran there.
fn tells_of_end(proof: Proof, samples: &[&Sample]) -> Proof {
    match samples.iter().find(|sample| sample.alive == 0) {
        Some(gone) => proof.tells(Outage::part(gone.asked)),
        None => proof,
    }
}

/// Within this time a working load has used CPU time and has had a disk take in its writes, whatever else goes on. Looks
/// that are closer together show nothing of a load that rests between them.
const STALLED: Duration = Duration::from_secs(10);

/// Within this time a working load uses CPU time, however busy its machine is: the kernel counts in steps of 10 ms. A guest
/// may stand still for a second or two at its switchover, and its load is niced.
const NOTICEABLE: Duration = Duration::from_secs(3);

/// Judges a load on one machine by its looks: the first from before the move, the others from during and after it. `earlier`
/// has the looks before all of these.
pub fn check(place: &str, load: &RunningTool, earlier: &[&Sample], samples: &[&Sample]) -> Proof {
    let expected = expected(place, load);
    let [before, looks @ ..] = samples else {
        return unknown(place, load, "it was not looked at");
    };
    let show = |sample: &Sample| shown(load, sample);
    let ended =
        |sample: &&&Sample| sample.alive == 0 || (!load.comes_and_goes() && sample.alive < before.alive);
    let stopped = |sample: &&&Sample| sample.stopped > 0;
    let let_go = |sample: &&&Sample| sample.resident < load.held();
    let trouble = |found: &dyn Fn(&&&Sample) -> bool| looks.iter().find(|sample| found(sample));
    let (sample, advice) = if let Some(sample) = trouble(&ended) {
        (sample, &ENDED)
    } else if let Some(sample) = trouble(&stopped) {
        (sample, &STOPPED)
    } else if let Some(pair) = samples.windows(2).find(|pair| idle(load, pair[0], pair[1])) {
        (&pair[1], &IDLE)
    } else if let Some(pair) = samples.windows(2).find(|pair| took_back(load, pair[0], pair[1])) {
        (&pair[1], &LOST)
    } else if let Some(stalled) = stalled(load, earlier, samples) {
        stalled
    } else if let Some(sample) = trouble(&let_go) {
        (sample, &LET_GO)
    } else {
        let last = looks.last().unwrap_or(before);
        let seen = format!("before: {}; {} looks later: {}", show(before), looks.len(), show(last));
        return Proof::new(&ABOUT, true, expected, seen);
    };
    let seen = format!("before: {}; then: {}", show(before), show(sample));
    Proof::new(&ABOUT, false, expected, seen).advise(advice)
}

/// Whether the load used no CPU time although it had enough time to.
fn idle(load: &RunningTool, earlier: &Sample, later: &Sample) -> bool {
    let time = later.ran_since(earlier);
    // For a moment neither its own count nor its parent's has a worker that the kernel has just killed.
    (later.ticks < earlier.ticks && !load.comes_and_goes())
        || (time >= NOTICEABLE && later.ticks == earlier.ticks)
}

/// Whether the load's files were removed before a disk had them. A load whose kernel does not count such writes has not
/// begun.
fn took_back(load: &RunningTool, earlier: &Sample, later: &Sample) -> bool {
    load.writes() && later.written < earlier.written
}

/// The first look that shows no work for [`STALLED`], and which work is missing.
fn stalled<'a>(
    load: &RunningTool,
    earlier: &[&'a Sample],
    samples: &'a [&'a Sample],
) -> Option<(&'a &'a Sample, &'static Advice)> {
    samples.iter().enumerate().skip(1).find_map(|(number, now)| {
        let mut before = samples[..number].iter().rev().chain(earlier.iter().rev());
        let then = before.find(|then| now.ran_since(then) >= STALLED)?;
        if now.ticks == then.ticks {
            return Some((now, &IDLE));
        }
        (load.writes() && now.written == then.written).then_some((now, &LOST))
    })
}

fn shown(load: &RunningTool, sample: &Sample) -> String {
    let written = match sample.written {
        Some(written) if load.writes() => format!(", {} MiB on a disk", written.0 >> 20),
        _ => String::new(),
    };
    format!(
        "{} processes ({} stopped), {:.2} s of CPU time, {} MiB resident{written}",
        sample.alive,
        sample.stopped,
        sample.ticks as f64 / 100.0,
        sample.resident.0 >> 20
    )
}

/// The finding about a load that could not be looked at.
pub fn unknown(place: &str, load: &RunningTool, why: &str) -> Proof {
    Proof::new(&ABOUT, false, expected(place, load), format!("not known: {why}"))
}

fn expected(place: &str, load: &RunningTool) -> String {
    let and = if load.writes() { ", using CPU time, and written to a disk" } else { ", and using CPU time" };
    format!("`{}` on {place} alive during the migration{and}", load.command)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;
    use crate::load::ToolCommand;
    use crate::scenario::{Bytes, Signs};

    const MIB: u64 = 1 << 20;

    fn zero() -> Instant {
        static ZERO: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *ZERO.get_or_init(Instant::now)
    }

    /// Three processes at that second.
    fn sample(second: u64, ticks: u64, written_mib: u64) -> Sample {
        let at = zero() + Duration::from_secs(second);
        let written = Some(Bytes(written_mib * MIB));
        Sample {
            alive: 3,
            stopped: 0,
            ticks,
            resident: Bytes(0),
            written,
            asked: at,
            at,
            halted: Duration::ZERO,
        }
    }

    fn load(writes: bool) -> RunningTool {
        let words = ["stress", "--hdd", "2"].map(str::to_owned).into();
        let signs = Signs { writes, ..Signs::default() };
        RunningTool::new(&ToolCommand { words, signs, basis: None }, 70)
    }

    #[rstest]
    #[case::works(3, 0, 900, true)]
    #[case::ended(0, 0, 0, false)]
    #[case::a_worker_ended(2, 0, 900, false)]
    #[case::stopped(3, 3, 900, false)]
    #[case::idle(3, 0, 500, false)]
    fn it_must_live_and_work(
        #[case] alive: usize,
        #[case] stopped: usize,
        #[case] ticks: u64,
        #[case] ok: bool,
    ) {
        let (before, during) = (sample(0, 400, 0), sample(1, 500, 0));
        let after = Sample { alive, stopped, ..sample(5, ticks, 0) };
        let load = load(false);
        assert_eq!(check("vm1", &load, &[], &[&before, &during, &after]).ok, ok);
        assert!(check("vm1", &load, &[], &[&before, &during]).ok);
        assert!(!check("vm1", &load, &[], &[]).ok);
    }

    #[test]
    fn a_load_that_was_halted_together_with_multivm_did_not_rest() {
        let halted = |seconds, sample: Sample| Sample { halted: Duration::from_secs(seconds), ..sample };
        let ok = |seconds| {
            let samples = [sample(0, 400, 1), sample(1, 500, 1), halted(seconds, sample(27, 500, 1))];
            let last = halted(seconds, sample(28, 600, 2));
            check("vm1", &load(true), &[], &samples.iter().chain([&last]).collect::<Vec<_>>()).ok
        };
        assert!(ok(25) && !ok(0) && !ok(20));
    }

    /// Looks a second apart, as they come: each with its ticks and MiB. The first two were before the window.
    #[rstest]
    #[case::works(&[(0, 10, 1), (1, 20, 2), (11, 30, 3), (12, 40, 4)], None)]
    #[case::pauses_for_a_while(&[(0, 10, 1), (5, 20, 1), (6, 30, 1), (9, 40, 1)], None)]
    #[case::nothing_reaches_the_disk(&[(0, 10, 9), (1, 20, 9), (8, 30, 9), (11, 40, 9)], Some("disk"))]
    #[case::took_it_back(&[(0, 10, 9), (1, 20, 9), (2, 30, 12), (3, 40, 10)], Some("disk"))]
    #[case::rests(&[(0, 10, 1), (1, 10, 1), (8, 10, 1), (11, 10, 1)], Some("CPU"))]
    fn what_a_writer_writes_must_reach_a_disk(
        #[case] looks: &[(u64, u64, u64)],
        #[case] found: Option<&str>,
    ) {
        let samples: Vec<Sample> =
            looks.iter().map(|(second, ticks, mib)| sample(*second, *ticks, *mib)).collect();
        let all: Vec<&Sample> = samples.iter().collect();
        let proof = check("vm1", &load(true), &all[..2], &all[2..]);
        assert_eq!(proof.ok, found.is_none(), "{proof:?}");
        assert!(proof.seen.contains(" MiB on a disk"), "{proof:?}");
        let advice = if found == Some("disk") { LOST.text } else { IDLE.text };
        assert_eq!(found.is_some(), proof.advice.map(|given| given.text) == Some(advice), "{proof:?}");
        // A load that computes writes nothing, and is asked for nothing of it.
        assert_eq!(check("vm1", &load(false), &all[..2], &all[2..]).ok, found != Some("CPU"));
    }
}
