//! One migration as its watch knows it, and what the watch does about it. The watch neither waits nor asks a clock: its
//! driver passes in events and the time, and makes the calls that the watch asks for.

mod ending;
mod giving_up;
mod suspension;
mod switch_state;
mod switching;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Instant;

use super::Move;
use super::job::{Call, CallAnswer};
use super::limits::Limits;
use super::report::{LegReport, Progress};
use super::stops::Stops;
use crate::failure::Cause;
use crate::libvirt::{self, Detail, EventKind, HostEvent, JobStats, LifecycleEvent};
use switch_state::PostCopy;

/// What a watch hears of.
#[derive(Debug)]
pub enum Happening {
    /// An event of the guest, on either host.
    Event(HostEvent),
    Answer(CallAnswer),
    /// The call that migrates returned, at that time.
    Returned {
        at: Instant,
        result: libvirt::Result<()>,
    },
}

/// How far the migration is.
#[derive(Debug)]
enum WatchStage {
    UnderWay,
    /// The time is up; what the statistics say of its progress is awaited.
    TimeUp {
        since: Instant,
    },
    /// Given up and to be aborted.
    GivenUp {
        since: Instant,
        why: Cause,
        /// What came of the order to abort it.
        aborted: Option<String>,
    },
    /// libvirt's call has returned; its last events, or the answer to an abort, may be on their way.
    Returned {
        since: Instant,
    },
    /// The guest that was suspended here is let run on.
    Resuming {
        since: Instant,
    },
    Over,
}

pub struct LegWatch<'a> {
    source: &'a str,
    plan: &'a Move,
    hear: &'a dyn Fn(Progress<'_>),
    limits: Limits,
    began: Instant,
    report: LegReport,
    stage: WatchStage,
    post_copy: PostCopy,
    stops: Stops,
    next_sample: Instant,
    /// When the time is up.
    time_up: Instant,
    /// The guest was suspended at a timeout, by this watch.
    suspended: bool,
    /// When a suspension that libvirt refused is tried again.
    suspend_again: Instant,
    /// Why the bandwidth is still the one of a first pass that is held back. A migration that is over refuses another one, too.
    still_held_back: Option<libvirt::Error>,
    /// Calls that have not been answered, and since when.
    out: BTreeMap<Call, Instant>,
    /// Calls to be made.
    wanted: Vec<Call>,
}

impl<'a> LegWatch<'a> {
    pub fn new(
        source: &'a str,
        plan: &'a Move,
        hear: &'a dyn Fn(Progress<'_>),
        limits: Limits,
        began: Instant,
    ) -> LegWatch<'a> {
        LegWatch {
            source,
            plan,
            hear,
            limits,
            began,
            report: LegReport { began: Some(began), ..LegReport::default() },
            stage: WatchStage::UnderWay,
            post_copy: PostCopy::Waiting,
            stops: Stops::default(),
            next_sample: began + limits.sample,
            time_up: began + plan.timeout,
            suspended: false,
            suspend_again: began,
            still_held_back: None,
            out: BTreeMap::new(),
            wanted: Vec::new(),
        }
    }

    /// Takes in what happened.
    pub fn take(&mut self, happening: Happening, now: Instant) {
        match happening {
            Happening::Event(event) => self.on_event(event, now),
            Happening::Answer(answer) => {
                self.out.remove(&answer.to());
                self.on_answer(answer, now);
            }
            Happening::Returned { at, result } => self.on_return(at, result, now),
        }
    }

    /// The calls that are to be made now.
    pub fn due(&mut self, now: Instant, interrupted: bool) -> Vec<Call> {
        match self.stage {
            WatchStage::UnderWay if interrupted => self.give_up(Cause::interrupted(), now),
            WatchStage::UnderWay => {
                self.switch_if_due(now);
                self.sample_if_due(now);
                if now >= self.time_up {
                    self.on_time_up(now);
                }
            }
            WatchStage::TimeUp { since } => {
                if interrupted || now >= since + self.limits.answer {
                    self.give_up_at_timeout(None, now);
                }
            }
            WatchStage::GivenUp { since, .. } => {
                if now >= since + self.limits.abort {
                    self.stop_waiting(now);
                }
            }
            WatchStage::Returned { since } => {
                if self.has_settled() || now >= since + self.limits.events {
                    self.resume_or_end(now);
                }
            }
            WatchStage::Resuming { since } => {
                if now >= since + self.limits.answer {
                    self.add_to_error("libvirt did not answer the order to resume the guest");
                    self.stage = WatchStage::Over;
                }
            }
            WatchStage::Over => {}
        }
        std::mem::take(&mut self.wanted)
    }

    /// When something is due even if nothing happens before.
    pub fn next_due(&self) -> Instant {
        match self.stage {
            WatchStage::UnderWay => self.next_under_way(),
            WatchStage::TimeUp { since } | WatchStage::Resuming { since } => since + self.limits.answer,
            WatchStage::GivenUp { since, .. } => since + self.limits.abort,
            WatchStage::Returned { since } => since + self.limits.events,
            WatchStage::Over => self.began,
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.stage, WatchStage::Over)
    }

    pub fn into_report(self) -> LegReport {
        self.report
    }

    fn next_under_way(&self) -> Instant {
        let mut next = match self.out.get(&Call::Suspend) {
            Some(since) => *since + self.limits.answer,
            None => self.time_up.max(self.suspend_again),
        };
        if let (PostCopy::Due(at), false) = (self.post_copy, self.is_out(Call::StartPostCopy)) {
            next = next.min(at);
        }
        if self.may_sample() && !self.is_out(Call::JobStats) {
            next = next.min(self.next_sample);
        }
        next
    }

    fn is_out(&self, call: Call) -> bool {
        self.out.contains_key(&call)
    }

    /// Wants a call, unless the last one of its kind is unanswered: one that blocks must not become many.
    fn ask(&mut self, call: Call, now: Instant) {
        if !self.is_out(call) {
            self.out.insert(call, now);
            self.wanted.push(call);
        }
    }

    fn on_event(&mut self, event: HostEvent, now: Instant) {
        (self.hear)(Progress::Event(&event));
        if *event.host == *self.source {
            self.on_event_of_source(&event, now);
        }
        self.report.events.push(event);
    }

    fn on_event_of_source(&mut self, event: &HostEvent, now: Instant) {
        if let Some(stopped) = self.stops.on_event(&event.kind, event.at) {
            self.note_suspension(stopped);
        }
        match &event.kind {
            EventKind::JobCompleted(stats) => self.report.stats = Some((**stats).clone()),
            EventKind::MigrationIteration(pass) => {
                self.on_pass(*pass, now);
                self.let_go(*pass, now);
                self.next_sample = now;
            }
            // The source's domain is suspended with this detail at the moment QEMU switches.
            kind if kind.is(LifecycleEvent::Suspended, Detail::PostCopy) => self.on_switched(event.at),
            _ => {}
        }
    }

    /// Ends what holds the first pass back, when that is over.
    fn let_go(&mut self, pass: i32, now: Instant) {
        if let (Some(full), 2) = (self.plan.options.after_first_pass, pass) {
            self.ask(Call::SetMaxSpeed(full.mib), now);
        }
    }

    fn on_answer(&mut self, answer: CallAnswer, now: Instant) {
        match answer {
            CallAnswer::StartPostCopy(answer) => self.on_switch(answer, now),
            CallAnswer::JobStats(answer) => self.on_stats(answer, now),
            CallAnswer::AbortJob(answer) => self.on_abort(answer),
            CallAnswer::Suspend(answer) => self.on_suspend(answer, now),
            CallAnswer::Resume(answer) => self.on_resume(answer),
            CallAnswer::SetMaxSpeed(_, answer) => self.still_held_back = answer.err(),
        }
    }

    /// Until QEMU has switched, the order to switch must not wait for libvirt to answer a question.
    fn may_sample(&self) -> bool {
        !self.plan.mode.row().switches || self.post_copy == PostCopy::Switched
    }

    fn sample_if_due(&mut self, now: Instant) {
        if self.may_sample() && now >= self.next_sample {
            self.next_sample = now + self.limits.sample;
            self.ask(Call::JobStats, now);
        }
    }

    fn on_stats(&mut self, answer: libvirt::Result<Option<Box<JobStats>>>, now: Instant) {
        // A failing question is not a failing migration: the next answer, or the migration's own, will tell.
        let stats = answer.ok().flatten();
        if let Some(stats) = &stats {
            (self.hear)(Progress::Sample(stats));
            self.report.samples.push((now, stats.data_processed_bytes.unwrap_or_default()));
        }
        if let WatchStage::TimeUp { .. } = self.stage {
            self.give_up_at_timeout(stats.as_deref(), now);
        }
    }

    fn add_to_error(&mut self, words: &str) {
        if let Some(error) = &mut self.report.error {
            error.text = format!("{error}; {words}");
        }
    }
}
