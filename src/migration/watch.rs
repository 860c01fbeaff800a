//! What a watch knows of one migration and what it does about it. It waits for nothing and asks no clock: whoever drives
//! it hands in what happened and the time, and makes the calls that it wants.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Instant;

use super::job::{Answer, Call};
use super::limits::Limits;
use super::options::Move;
use super::progress::progress;
use super::report::{LegReport, News};
use super::stops::Stops;
use crate::failure::{Cause, FailureKind};
use crate::libvirt::{self, AbortAnswer, Detail, Event, EventKind, JobStats, LifecycleEvent, Switch};
use crate::scenario::{AtTimeout, Mode};

/// What a watch hears of.
#[derive(Debug)]
pub enum Happening {
    /// An event of the guest, on either host.
    Event(Event),
    Answer(Answer),
    /// The call that migrates returned, at that time.
    Returned {
        at: Instant,
        result: libvirt::Result<()>,
    },
}

/// How far the switch to post-copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PostCopy {
    /// The first pass is not over.
    Waiting,
    /// To be ordered from this moment on.
    Due(Instant),
    /// Ordered, or too late to be; QEMU has not switched.
    Ordered,
    Switched,
}

/// How far the migration is.
#[derive(Debug)]
enum Stage {
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

pub struct Watch<'a> {
    source: &'a str,
    plan: &'a Move,
    hear: &'a dyn Fn(News<'_>),
    limits: Limits,
    began: Instant,
    report: LegReport,
    stage: Stage,
    post_copy: PostCopy,
    stops: Stops,
    next_sample: Instant,
    /// When the time is up.
    time_up: Instant,
    /// The guest was suspended at a timeout, by this watch.
    suspended: bool,
    /// When a suspension that libvirt refused is tried again.
    suspend_again: Instant,
    /// Calls that have not been answered, and since when.
    out: BTreeMap<Call, Instant>,
    /// Calls to be made.
    wanted: Vec<Call>,
}

impl<'a> Watch<'a> {
    pub fn new(
        source: &'a str,
        plan: &'a Move,
        hear: &'a dyn Fn(News<'_>),
        limits: Limits,
        began: Instant,
    ) -> Watch<'a> {
        Watch {
            source,
            plan,
            hear,
            limits,
            began,
            report: LegReport { began: Some(began), ..LegReport::default() },
            stage: Stage::UnderWay,
            post_copy: PostCopy::Waiting,
            stops: Stops::default(),
            next_sample: began + limits.sample,
            time_up: began + plan.timeout,
            suspended: false,
            suspend_again: began,
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

    /// What is to be called now.
    pub fn due(&mut self, now: Instant, interrupted: bool) -> Vec<Call> {
        match self.stage {
            Stage::UnderWay if interrupted => self.give_up(Cause::interrupted(), now),
            Stage::UnderWay => {
                self.switch_if_due(now);
                self.sample_if_due(now);
                if now >= self.time_up {
                    self.on_time_up(now);
                }
            }
            Stage::TimeUp { since } => {
                if interrupted || now >= since + self.limits.answer {
                    self.give_up_at_timeout(None, now);
                }
            }
            Stage::GivenUp { since, .. } => {
                if now >= since + self.limits.abort {
                    self.stop_waiting(now);
                }
            }
            Stage::Returned { since } => {
                if self.has_settled() || now >= since + self.limits.events {
                    self.resume_or_end(now);
                }
            }
            Stage::Resuming { since } => {
                if now >= since + self.limits.answer {
                    self.add_to_error("libvirt did not answer the order to resume the guest");
                    self.stage = Stage::Over;
                }
            }
            Stage::Over => {}
        }
        std::mem::take(&mut self.wanted)
    }

    /// When something is due even if nothing happens before.
    pub fn next_due(&self) -> Instant {
        match self.stage {
            Stage::UnderWay => self.next_under_way(),
            Stage::TimeUp { since } | Stage::Resuming { since } => since + self.limits.answer,
            Stage::GivenUp { since, .. } => since + self.limits.abort,
            Stage::Returned { since } => since + self.limits.events,
            Stage::Over => self.began,
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
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

    fn on_event(&mut self, event: Event, now: Instant) {
        (self.hear)(News::Event(&event));
        if *event.host == *self.source {
            self.on_event_of_source(&event, now);
        }
        self.report.events.push(event);
    }

    fn on_event_of_source(&mut self, event: &Event, now: Instant) {
        if let Some(stopped) = self.stops.on_event(&event.kind, event.at) {
            self.note_suspension(stopped);
        }
        match &event.kind {
            EventKind::JobCompleted(stats) => self.report.stats = Some((**stats).clone()),
            EventKind::MigrationIteration(pass) => {
                if self.plan.mode == Mode::Postcopy
                    && self.post_copy == PostCopy::Waiting
                    && *pass >= self.plan.switch_in_pass
                {
                    self.post_copy = PostCopy::Due(now);
                }
                self.next_sample = now;
            }
            // The source's domain is suspended with this detail at the moment QEMU switches.
            kind if kind.is(LifecycleEvent::Suspended, Detail::PostCopy) => {
                self.post_copy = PostCopy::Switched;
                self.report.switchover = Some(event.at.saturating_duration_since(self.began));
            }
            _ => {}
        }
    }

    /// The guest stood still before its last pass.
    fn note_suspension(&mut self, at: Instant) {
        if self.plan.mode == Mode::Precopy {
            self.report.suspended.get_or_insert(at.saturating_duration_since(self.began));
        }
    }

    fn on_answer(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::StartPostCopy(answer) => self.on_switch(answer, now),
            Answer::JobStats(answer) => self.on_stats(answer, now),
            Answer::AbortJob(answer) => self.on_abort(answer),
            Answer::Suspend(answer) => self.on_suspend(answer, now),
            Answer::Resume(answer) => self.on_resume(answer),
        }
    }

    fn switch_if_due(&mut self, now: Instant) {
        if let PostCopy::Due(at) = self.post_copy
            && now >= at
        {
            self.ask(Call::StartPostCopy, now);
        }
    }

    fn on_switch(&mut self, answer: libvirt::Result<Switch>, now: Instant) {
        // The event may have overtaken the answer.
        let PostCopy::Due(_) = self.post_copy else { return };
        self.post_copy = match answer {
            // Accepted is not switched: the event says that.
            Ok(Switch::Started | Switch::Over) => PostCopy::Ordered,
            // The migration's timeout bounds it.
            Ok(Switch::NotYet) => PostCopy::Due(now + self.limits.repeat),
            // Another call held the domain's job lock.
            Err(error) if error.kind() == FailureKind::TimedOut => PostCopy::Due(now + self.limits.repeat),
            Err(error) => {
                self.report.error.get_or_insert_with(|| Cause::from(error).about("switch to post-copy"));
                PostCopy::Ordered
            }
        };
    }

    /// Until QEMU has switched, the order to switch must not wait for libvirt to answer a question.
    fn may_sample(&self) -> bool {
        self.plan.mode == Mode::Precopy || self.post_copy == PostCopy::Switched
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
            (self.hear)(News::Sample(stats));
        }
        if let Stage::TimeUp { .. } = self.stage {
            self.give_up_at_timeout(stats.as_deref(), now);
        }
    }

    fn on_time_up(&mut self, now: Instant) {
        if self.wants_suspension(now) {
            if now >= self.suspend_again {
                self.ask(Call::Suspend, now);
            }
            return;
        }
        self.stage = Stage::TimeUp { since: now };
        self.ask(Call::JobStats, now);
    }

    /// Whether the guest's CPUs are to be stopped, as virsh's --timeout-suspend does: nothing is dirtied any more, and the
    /// migration completes.
    fn wants_suspension(&self, now: Instant) -> bool {
        let waited = self.out.get(&Call::Suspend).is_none_or(|since| now < *since + self.limits.answer);
        // libvirt allows it only while QEMU migrates, not while the migration is prepared: it is tried for as long again.
        let tried = now >= self.began + 2 * self.plan.timeout && !self.is_out(Call::Suspend);
        self.plan.mode == Mode::Precopy
            && self.plan.at_timeout != AtTimeout::Abort
            && !self.suspended
            && waited
            && !tried
    }

    fn on_suspend(&mut self, answer: libvirt::Result<()>, now: Instant) {
        match answer {
            Ok(()) => {
                self.suspended = true;
                self.note_suspension(now);
                self.time_up = now + self.plan.timeout.max(self.limits.suspended);
            }
            Err(_) => self.suspend_again = now + self.limits.repeat,
        }
    }

    fn give_up_at_timeout(&mut self, stats: Option<&JobStats>, now: Instant) {
        let progress = match stats {
            Some(stats) => format!(", {}", progress(stats)),
            None if self.is_out(Call::JobStats) => {
                format!(", and libvirt did not answer what its job does within {:?}", self.limits.answer)
            }
            None => String::new(),
        };
        let spent = now.duration_since(self.began).as_secs_f64();
        let words = format!("timeout: not complete after {spent:.0} s{progress}");
        self.give_up(Cause::new(FailureKind::TimedOut, words), now);
    }

    fn give_up(&mut self, why: Cause, now: Instant) {
        self.stage = Stage::GivenUp { since: now, why, aborted: None };
        self.ask(Call::AbortJob, now);
    }

    fn on_abort(&mut self, answer: libvirt::Result<AbortAnswer>) {
        let words = match answer {
            Ok(AbortAnswer::Aborted) => "aborted".to_owned(),
            Ok(AbortAnswer::NoJob) => "there was no job to abort".to_owned(),
            Err(error) => format!("it could not be aborted: {error}"),
        };
        match &mut self.stage {
            Stage::GivenUp { aborted, .. } => *aborted = Some(words),
            // The call that migrates returned first.
            Stage::Returned { .. } => self.add_to_error(&words),
            _ => {}
        }
    }

    fn add_to_error(&mut self, words: &str) {
        if let Some(error) = &mut self.report.error {
            error.text = format!("{error}; {words}");
        }
    }

    /// Takes over why the migration was given up as its error: the cause, of which whatever libvirt says is the
    /// consequence.
    fn settle_giving_up(&mut self) {
        let Stage::GivenUp { why, aborted, .. } = &self.stage else { return };
        let aborted = aborted.clone();
        self.report.error = Some(why.clone());
        if let Some(words) = aborted {
            self.add_to_error(&words);
        }
    }

    /// Neither the migration nor, maybe, the abort ever returned.
    fn stop_waiting(&mut self, now: Instant) {
        self.settle_giving_up();
        self.report.duration = now - self.began;
        if self.is_out(Call::AbortJob) {
            self.add_to_error("libvirt did not answer the order to abort it");
        }
        let grace = self.limits.abort.as_secs();
        self.add_to_error(&format!("it did not end within {grace} s after that either"));
        self.resume_or_end(now);
    }

    fn on_return(&mut self, at: Instant, result: libvirt::Result<()>, now: Instant) {
        self.report.ended = Some(at);
        self.report.duration = at.saturating_duration_since(self.began);
        self.report.completed = result.is_ok();
        let given_up = matches!(self.stage, Stage::GivenUp { .. });
        self.settle_giving_up();
        match result {
            Ok(()) if given_up => self.add_to_error("it completed all the same"),
            Ok(()) => {}
            Err(error) => {
                self.report.refused = error.is_refusal() && self.report.error.is_none();
                self.report.error.get_or_insert_with(|| error.into());
            }
        }
        self.stage = Stage::Returned { since: now };
    }

    /// Whether nothing that matters is on its way any more.
    fn has_settled(&self) -> bool {
        !self.is_out(Call::AbortJob) && (self.report.error.is_some() || self.report.stats.is_some())
    }

    /// A guest that is still here and stands still because of this watch runs on.
    fn resume_or_end(&mut self, now: Instant) {
        if self.suspended && !self.report.completed {
            self.stage = Stage::Resuming { since: now };
            self.ask(Call::Resume, now);
        } else {
            self.stage = Stage::Over;
        }
    }

    fn on_resume(&mut self, answer: libvirt::Result<()>) {
        if let Err(error) = answer {
            self.add_to_error(&format!("it is suspended and could not be resumed: {error}"));
        }
        self.stage = Stage::Over;
    }
}
