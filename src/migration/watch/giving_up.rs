//! Gives a migration up: at its timeout, or after an interruption of the run.

use std::time::Instant;

use super::{LegWatch, WatchStage};
use crate::failure::{Cause, FailureKind};
use crate::libvirt::{self, AbortAnswer, JobStats};
use crate::migration::job::Call;
use crate::migration::progress::progress;

impl LegWatch<'_> {
    pub(super) fn on_time_up(&mut self, now: Instant) {
        if self.wants_suspension(now) {
            if now >= self.suspend_again {
                self.ask(Call::Suspend, now);
            }
            return;
        }
        self.stage = WatchStage::TimeUp { since: now };
        self.ask(Call::JobStats, now);
    }

    pub(super) fn give_up_at_timeout(&mut self, stats: Option<&JobStats>, now: Instant) {
        let progress = match stats {
            Some(stats) => format!(", {}", progress(stats)),
            None if self.is_out(Call::JobStats) => {
                format!(", and libvirt did not answer what its job does within {:?}", self.limits.answer)
            }
            None => String::new(),
        };
        let spent = now.duration_since(self.began).as_secs_f64();
        let slow = self
            .still_held_back
            .as_ref()
            .map(|error| format!(", at the bandwidth of its first pass: {error}"));
        let words = format!("timeout: not complete after {spent:.0} s{progress}{}", slow.unwrap_or_default());
        self.give_up(Cause::new(FailureKind::TimedOut, words), now);
    }

    pub(super) fn give_up(&mut self, why: Cause, now: Instant) {
        self.stage = WatchStage::GivenUp { since: now, why, aborted: None };
        self.ask(Call::AbortJob, now);
    }

    pub(super) fn on_abort(&mut self, answer: libvirt::Result<AbortAnswer>) {
        let words = match answer {
            Ok(AbortAnswer::Aborted) => "aborted".to_owned(),
            Ok(AbortAnswer::NoJob) => "there was no job to abort".to_owned(),
            Err(error) => format!("it could not be aborted: {error}"),
        };
        match &mut self.stage {
            WatchStage::GivenUp { aborted, .. } => *aborted = Some(words),
            // libvirt's migrating call returned first.
            WatchStage::Returned { .. } => self.add_to_error(&words),
            _ => {}
        }
    }

    /// Makes the reason for giving up the migration's error: libvirt's own error is only its consequence.
    pub(super) fn settle_giving_up(&mut self) {
        let WatchStage::GivenUp { why, aborted, .. } = &self.stage else { return };
        let aborted = aborted.clone();
        self.report.error = Some(why.clone());
        if let Some(words) = aborted {
            self.add_to_error(&words);
        }
    }

    /// Ends a watch whose migration, and perhaps its abort, never returned.
    pub(super) fn stop_waiting(&mut self, now: Instant) {
        self.settle_giving_up();
        self.report.duration = now - self.began;
        if self.is_out(Call::AbortJob) {
            self.add_to_error("libvirt did not answer the order to abort it");
        }
        let grace = self.limits.abort.as_secs();
        self.add_to_error(&format!("it did not end within {grace} s after that either"));
        self.resume_or_end(now);
    }
}
