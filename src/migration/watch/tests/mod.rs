//! Scripts of events and answers, played to a watch in a time of their own: nothing here waits for a clock.

mod ending;
mod giving_up;
mod suspension;
mod switching;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::failure::FailureKind;
use crate::libvirt::{AbortAnswer, Error, ErrorCode, Result, Switch};
use crate::migration::Options;
use crate::migration::job::Job;
use crate::scenario::{AtTimeout, Mode, Side};

pub const SOURCE: &str = "source";
pub const TARGET: &str = "target";

/// The timeout of every script, milliseconds.
pub const TIMEOUT: u64 = 60_000;

/// A job that answers as its script says; the last answer of each kind is repeated.
#[derive(Default)]
struct Scripted(Mutex<BTreeMap<Call, VecDeque<Line>>>);

#[derive(Clone)]
struct Line {
    /// Milliseconds; none for an answer that never comes.
    after: Option<u64>,
    answer: CallAnswer,
}

impl Scripted {
    fn after(&self, call: Call) -> Option<u64> {
        self.0.lock().unwrap()[&call][0].after
    }

    fn next(&self, call: Call) -> CallAnswer {
        let mut script = self.0.lock().unwrap();
        let lines = script.get_mut(&call).unwrap();
        if lines.len() > 1 { lines.pop_front().unwrap().answer } else { lines[0].answer.clone() }
    }
}

macro_rules! scripted {
    ($($name:ident, $call:ident, $answer:ty;)*) => {
        impl Job for Scripted {
            $(fn $name(&self) -> Result<$answer> {
                let CallAnswer::$call(answer) = self.next(Call::$call) else { unreachable!() };
                answer
            })*

            fn set_max_speed(&self, mib: Option<u64>) -> Result<()> {
                let CallAnswer::SetMaxSpeed(_, answer) = self.next(Call::SetMaxSpeed(mib)) else {
                    unreachable!()
                };
                answer
            }

            fn job_stats(&self) -> Result<Option<JobStats>> {
                let CallAnswer::JobStats(answer) = self.next(Call::JobStats) else { unreachable!() };
                answer.map(|stats| stats.map(|stats| *stats))
            }
        }
    };
}

scripted! {
    start_post_copy, StartPostCopy, Switch;
    abort_job, AbortJob, AbortAnswer;
    suspend, Suspend, ();
    resume, Resume, ();
}

/// What happens in a script without being asked for.
#[derive(Clone)]
enum What {
    Event(&'static str, EventKind),
    Returns(Result<()>),
    Answer(CallAnswer),
    Interrupted,
}

/// One script.
pub struct Play {
    plan: Move,
    job: Scripted,
    /// Milliseconds since the call that migrates.
    happens: Vec<(u64, What)>,
}

/// What came of it.
pub struct Told {
    pub report: LegReport,
    /// The calls that the watch wanted, but for looks at the statistics, and when.
    pub calls: Vec<(u64, Call)>,
    /// When it looked at the statistics.
    pub looks: Vec<u64>,
    /// When the watch was over.
    pub ended: u64,
    /// News of statistics.
    pub samples: usize,
}

impl Told {
    pub fn kind(&self) -> Option<FailureKind> {
        self.report.error.as_ref().map(|error| error.kind)
    }

    pub fn error(&self) -> &str {
        &self.report.error.as_ref().expect("an error").text
    }
}

impl Play {
    pub fn of(mode: Mode, at_timeout: AtTimeout) -> Play {
        let plan = Move {
            from: Side::Source,
            to: Side::Target,
            mode,
            options: Options::default(),
            timeout: Duration::from_millis(TIMEOUT),
            switch_in_pass: 2,
            switch_after: Duration::ZERO,
            at_timeout,
        };
        Play { plan, job: Scripted::default(), happens: Vec::new() }
            .answers(0, CallAnswer::JobStats(Ok(None)))
    }

    pub fn pre_copy() -> Play {
        Play::of(Mode::Precopy, AtTimeout::Abort)
    }

    pub fn post_copy() -> Play {
        Play::of(Mode::Postcopy, AtTimeout::Abort)
    }

    /// Answers of one kind, in their order, each so long after its call.
    pub fn answers(self, after: u64, answer: CallAnswer) -> Play {
        self.line(Line { after: Some(after), answer })
    }

    /// A call that never returns, whatever it would answer.
    pub fn never_answers(self, answer: CallAnswer) -> Play {
        self.line(Line { after: None, answer })
    }

    fn line(self, line: Line) -> Play {
        self.job.0.lock().unwrap().entry(line.answer.to()).or_default().push_back(line);
        self
    }

    /// Forgets the answers so far of a kind of call.
    pub fn without(self, call: Call) -> Play {
        self.job.0.lock().unwrap().remove(&call);
        self
    }

    pub fn event(mut self, at: u64, host: &'static str, kind: EventKind) -> Play {
        self.happens.push((at, What::Event(host, kind)));
        self
    }

    pub fn returns(mut self, at: u64, result: Result<()>) -> Play {
        self.happens.push((at, What::Returns(result)));
        self
    }

    pub fn interrupted(mut self, at: u64) -> Play {
        self.happens.push((at, What::Interrupted));
        self
    }

    /// Plays it to its end.
    pub fn play(mut self) -> Told {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let samples = Mutex::new(0);
        let hear = |news: Progress<'_>| {
            if let Progress::Sample(_) = news {
                *samples.lock().unwrap() += 1;
            }
        };
        let mut watch = LegWatch::new(SOURCE, &self.plan, &hear, Limits::default(), begin);
        let (mut calls, mut looks, mut interrupted, mut now) = (Vec::new(), Vec::new(), false, 0);
        for turn in 0.. {
            assert!(turn < 100_000, "the watch is busy without end at {now} ms");
            for call in watch.due(at(now), interrupted) {
                if call == Call::JobStats {
                    looks.push(now)
                } else {
                    calls.push((now, call))
                }
                let after = self.job.after(call);
                let answer = call.make(&self.job);
                self.happens.extend(after.map(|after| (now + after, What::Answer(answer))));
            }
            if watch.is_over() {
                break;
            }
            // The first of those of one time is the one that was scripted first.
            let next = (0..self.happens.len()).min_by_key(|index| self.happens[*index].0);
            let due = u64::try_from(watch.next_due().saturating_duration_since(begin).as_millis()).unwrap();
            match next.filter(|index| self.happens[*index].0 <= due) {
                Some(index) => {
                    let (when, what) = self.happens.remove(index);
                    now = now.max(when);
                    match what {
                        What::Event(host, kind) => watch.take(event(at(now), host, kind), at(now)),
                        What::Returns(result) => {
                            watch.take(Happening::Returned { at: at(now), result }, at(now));
                        }
                        What::Answer(answer) => watch.take(Happening::Answer(answer), at(now)),
                        What::Interrupted => interrupted = true,
                    }
                }
                None => now = now.max(due),
            }
        }
        let report = watch.into_report();
        Told { report, calls, looks, ended: now, samples: samples.into_inner().unwrap() }
    }
}

fn event(at: Instant, host: &str, kind: EventKind) -> Happening {
    let wall = SystemTime::UNIX_EPOCH;
    Happening::Event(HostEvent { host: host.into(), domain: "vm1".into(), at, wall, kind })
}

pub fn pass(number: i32) -> EventKind {
    EventKind::MigrationIteration(number)
}

pub fn suspended(detail: Detail) -> EventKind {
    EventKind::Lifecycle { event: LifecycleEvent::Suspended, detail }
}

pub fn resumed(detail: Detail) -> EventKind {
    EventKind::Lifecycle { event: LifecycleEvent::Resumed, detail }
}

/// The event of a job that completed in that many passes.
pub fn completed(passes: u64) -> EventKind {
    EventKind::JobCompleted(Box::new(JobStats { memory_iteration: Some(passes), ..JobStats::default() }))
}

pub fn error(code: u32, message: &str) -> Error {
    Error {
        operation: "call",
        domain: None,
        host: None,
        destination: None,
        code: ErrorCode(code),
        message: message.to_owned(),
    }
}

pub fn aborted() -> Result<()> {
    Err(error(virt_sys::VIR_ERR_OPERATION_ABORTED, "canceled by client"))
}
