//! Records for the tests of this room, and noise that is the same every time.

use std::time::{Duration, SystemTime};

use super::measured::Measured;
use super::metric::Metric;
use super::run::{ComparedRun, RunSummary};
use crate::record::{
    Clocks, Envelope, Event, Finding, Outcome, RecordedProfile, RunEnd, RunHeader, Stats, Verdict,
};
use crate::report::view;
use crate::scenario::Direction;
use crate::sys::random::Random;

/// The events of a run, one after the other.
pub struct Writer {
    events: Vec<Event>,
}

impl Writer {
    pub fn new() -> Writer {
        let mut header = RunHeader::new("r", ["multivm".to_owned()]);
        header.profile = Some(RecordedProfile { guests: Some(3), ..RecordedProfile::default() });
        let facts = [("source.qemu".to_owned(), "10.0.13".to_owned())].into();
        let hosts = Event::FixtureReady { name: "hosts".into(), duration_s: 1.0, facts };
        Writer { events: vec![Event::RunStarted(header), hosts] }
    }

    pub fn event(mut self, event: Event) -> Writer {
        self.events.push(event);
        self
    }

    pub fn started(self, scenario: &str) -> Writer {
        self.event(Event::ScenarioStarted { scenario: scenario.into(), ignored: false })
    }

    /// A migration that libvirt completed.
    pub fn leg(self, guest: &str, duration_s: f64, downtime_ms: Option<u64>, bytes: u64) -> Writer {
        let (round, direction, step) = (1, Direction::Out, 1);
        self.event(Event::LegStarted { guest: guest.into(), round, direction, step }).event(
            Event::LegFinished {
                guest: guest.into(),
                round,
                direction,
                step,
                error: None,
                began_t_ms: None,
                duration_s,
                stats: Stats::new([("downtime", downtime_ms), ("memory_processed", Some(bytes))]),
                switchover_s: None,
            },
        )
    }

    pub fn downtime(self, guest: &str, reported_ms: f64) -> Writer {
        self.event(Event::Downtime {
            guest: guest.into(),
            round: 1,
            direction: Direction::Out,
            step: 1,
            clocks: Clocks { reported_ms, network_ms: Some(reported_ms), ..Clocks::default() },
        })
    }

    pub fn finished(mut self, scenario: &str, verdict: Verdict) -> Writer {
        let mut outcome = Outcome::new(scenario, verdict, SystemTime::UNIX_EPOCH);
        outcome.duration = Duration::from_secs(12);
        if verdict == Verdict::Failed {
            self = self.event(Event::CheckFailed(Finding {
                check: "reboot".into(),
                guest: Some("vm2".into()),
                round: Some(1),
                direction: Some(Direction::Out),
                expected: "e".into(),
                seen: "s".into(),
                try_next: None,
            }));
        }
        self.event(Event::ScenarioFinished(outcome))
    }

    /// A scenario that passed, with a leg for each total time (seconds), downtime (milliseconds) and volume (MiB).
    pub fn played(mut self, scenario: &str, legs: &[(f64, f64, f64)]) -> Writer {
        self = self.started(scenario);
        for (number, (total_s, downtime_ms, mib)) in legs.iter().enumerate() {
            let bytes = (mib * 1_048_576.0) as u64;
            self = self.leg(&format!("vm{number}"), *total_s, Some(*downtime_ms as u64), bytes);
        }
        self.finished(scenario, Verdict::Passed)
    }

    /// The orderly end of the run.
    pub fn ended(self) -> Writer {
        self.event(Event::RunFinished(RunEnd::default()))
    }

    pub fn run(self) -> ComparedRun {
        let envelope = || Envelope { at: SystemTime::UNIX_EPOCH, t_ms: 0 };
        ComparedRun::of(view::from_events(self.events.into_iter().map(|event| (envelope(), event))).unwrap())
    }
}

/// A run of that name in which these scenarios passed.
pub fn passed(name: &str, scenarios: &[&str]) -> ComparedRun {
    let played = |run: Writer, scenario: &&str| run.started(scenario).finished(scenario, Verdict::Passed);
    let mut run = named(scenarios.iter().fold(Writer::new(), played).run(), name);
    run.summary = RunSummary { path: format!("results/{name}"), ended: true, ..run.summary };
    run
}

/// The run under another name.
pub fn named(mut run: ComparedRun, name: &str) -> ComparedRun {
    run.made_of = [name.to_owned()].into();
    run.summary = RunSummary { run: name.to_owned(), path: name.to_owned(), ..run.summary };
    run
}

/// The only one of this name and metric.
pub fn find<'a>(all: &'a [Measured], name: &str, metric: Metric) -> &'a Measured {
    all.iter().find(|it| it.name == name && it.metric == metric).unwrap()
}

/// Noise from a seed.
pub struct Noise(Random);

impl Noise {
    pub fn new(seed: u64) -> Noise {
        Noise(Random(seed))
    }

    /// From 0 to 1.
    fn uniform(&mut self) -> f64 {
        (self.0.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// With mean 0 and standard deviation 1, by the method of Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// [`Noise::normal`] that is three times as wide once in twenty times: what else a machine does.
    pub fn long_tailed(&mut self) -> f64 {
        let far = self.uniform() < 0.05;
        self.normal() * if far { 3.0 } else { 1.0 }
    }
}
