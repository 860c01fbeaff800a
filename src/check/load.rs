//! The load was real: alive when sampled during the move, and at work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{About, Advice, Asked, Check, Moment, Proof, Scene, StepEnd};
use crate::failure::Result;
use crate::load::{self, LoadLook, LoadWatch, Sample, Timeline, Window, samples_of};
use crate::plan::Leg;
use crate::scenario::{Scenario, Workload};

pub static ABOUT: About = About {
    id: "load",
    summary: "the load was real",
    how: "looked at every second, in every guest and on every host: before, during and after every migration its processes are \
          alive, not stopped, use CPU time and hold their memory",
    asked: &[Moment::Always, Moment::Step],
    only: Some("stress tools"),
    advice: &[ENDED, STOPPED, IDLE, LET_GO],
    ..About::BASE
};

const ENDED: Advice = Advice::new(
    "a process of the load ended",
    "it ended, or one of its workers did: look for an out-of-memory kill in the kernel log",
);

const STOPPED: Advice =
    Advice::new("a process of the load is stopped", "a signal stopped it (SIGSTOP or SIGTSTP)");

const IDLE: Advice = Advice::new("the load used no CPU time", "it did nothing: was it starved?");

const LET_GO: Advice =
    Advice::new("the load does not hold its memory", "it let go of its memory: was it started again?");

/// The check.
pub struct Load;

impl Check for Load {
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
    /// In the order in which legs count them.
    guests: Vec<String>,
    places: Vec<JudgedPlace>,
}

/// The loads of one machine, and up to where they have been judged.
struct JudgedPlace {
    timeline: Arc<Timeline>,
    /// The look by which the next window begins.
    next: usize,
    /// Steps that are over and whose window is still open, in their order: when each ended, and the move it is charged to.
    open: VecDeque<(Instant, Option<Leg>)>,
}

impl Asked for LoadAsked {
    fn on_load(&mut self, load: &LoadWatch) {
        self.places = load.timelines.iter().cloned().map(JudgedPlace::new).collect();
    }

    fn on_step(&mut self, end: &StepEnd<'_>) -> Vec<Proof> {
        for place in &mut self.places {
            // A load in a guest belongs to that guest's own move, one on a host to all of the step.
            let own = |leg: &&Leg| place.guest().is_none_or(|guest| self.guests[leg.guest] == guest);
            let leg = end.legs.iter().map(|(leg, _)| leg).find(own).copied();
            place.open.push_back((end.ended, leg));
            place.timeline.look_now();
        }
        Vec::new()
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

    /// Judges every step whose window has closed since.
    fn judge(&mut self) -> Vec<Proof> {
        let mut proofs = Vec::new();
        while let Some((ended, leg)) = self.open.front().copied() {
            let closed = self.timeline.read(|looks| {
                let window = Window::closing(looks, self.next, ended)?;
                Some((window, window.of(looks).to_vec()))
            });
            let Some((window, looks)) = closed else { break };
            self.open.pop_front();
            self.next = window.last;
            proofs.extend(self.prove(&looks, leg));
        }
        proofs
    }

    /// Judges steps whose window does not close any more, by the looks there are. Who was `patient` should have had a look by
    /// now: that there is none is a finding.
    fn judge_the_rest(&mut self, patient: bool) -> Vec<Proof> {
        let Some((_, leg)) = std::mem::take(&mut self.open).pop_front() else { return Vec::new() };
        let cut = self
            .timeline
            .read(|looks| Window::cut_short(looks, self.next).map(|window| window.of(looks).to_vec()));
        match cut {
            Some(looks) if !patient => self.prove(&looks, leg),
            None if !patient => Vec::new(),
            _ => self.prove_each(leg, |place, load| unknown(place, load, "it gave no answer after the move")),
        }
    }

    fn prove(&self, looks: &[LoadLook], leg: Option<Leg>) -> Vec<Proof> {
        let mut number = 0..;
        self.prove_each(leg, |place, load| match samples_of(looks, number.next().unwrap_or_default()) {
            Ok(samples) => self.with_last_words(check(place, load, &samples)),
            Err(failure) => unknown(place, load, &failure.to_string()),
        })
    }

    fn prove_each(&self, leg: Option<Leg>, mut prove: impl FnMut(&str, &load::Load) -> Proof) -> Vec<Proof> {
        let place = &self.timeline.place;
        let proof = |load: &load::Load| Proof {
            guest: place.guest().map(str::to_owned),
            ..prove(place.name(), load)
        };
        self.timeline.loads.iter().map(proof).map(|proof| proof.after(leg)).collect()
    }

    /// A load that is not as it should be may have said why.
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

/// In this time a load that works uses CPU time, however busy its machine is: the kernel counts it in steps of 10 ms. A
/// guest may stand still for a second or two at its switch-over, and its load is niced.
const NOTICEABLE: Duration = Duration::from_secs(3);

/// A load on one machine, in every look at it: first how it looked before the move, then as often as it was looked at
/// during the move and after it.
pub fn check(place: &str, load: &load::Load, samples: &[&Sample]) -> Proof {
    let expected = expected(place, load);
    let [before, looks @ ..] = samples else {
        return unknown(place, load, "it was not looked at");
    };
    let show = |sample: &Sample| {
        format!(
            "{} processes ({} stopped), {:.2} s of CPU time, {} MiB resident",
            sample.alive,
            sample.stopped,
            sample.ticks as f64 / 100.0,
            sample.resident.0 >> 20
        )
    };
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

/// Whether it used no CPU time although there was time to.
fn idle(load: &load::Load, earlier: &Sample, later: &Sample) -> bool {
    let time = later.asked.saturating_duration_since(earlier.at);
    // A worker that the kernel has just killed is in neither its own count nor its parent's for a moment.
    (later.ticks < earlier.ticks && !load.comes_and_goes())
        || (time >= NOTICEABLE && later.ticks == earlier.ticks)
}

/// A load that could not be looked at.
pub fn unknown(place: &str, load: &load::Load, why: &str) -> Proof {
    Proof::new(&ABOUT, false, expected(place, load), format!("not known: {why}"))
}

fn expected(place: &str, load: &load::Load) -> String {
    format!("`{}` on {place} alive during the migration, and using CPU time", load.command)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;
    use crate::load::Command;
    use crate::scenario::{Bytes, Signs};

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
        let zero = Instant::now();
        let sample = |seconds, alive, stopped, ticks| Sample {
            alive,
            stopped,
            ticks,
            resident: Bytes(0),
            asked: zero + Duration::from_secs(seconds),
            at: zero + Duration::from_secs(seconds),
        };
        let words = ["stress", "--cpu", "2"].map(str::to_owned).into();
        let load = load::Load::new(&Command { words, signs: Signs::default(), basis: None }, 70);
        let (before, during) = (sample(0, 3, 0, 400), sample(1, 3, 0, 500));
        assert_eq!(check("vm1", &load, &[&before, &during, &sample(5, alive, stopped, ticks)]).ok, ok);
        assert!(check("vm1", &load, &[&before, &during]).ok);
        assert!(!check("vm1", &load, &[]).ok);
    }
}
