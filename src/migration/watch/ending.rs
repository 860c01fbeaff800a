//! The end of a migration: libvirt's call has returned.

use std::time::Instant;

use super::{LegWatch, WatchStage};
use crate::libvirt;
use crate::migration::job::Call;

impl LegWatch<'_> {
    pub(super) fn on_return(&mut self, at: Instant, result: libvirt::Result<()>, now: Instant) {
        self.report.ended = Some(at);
        self.report.duration = at.saturating_duration_since(self.began);
        self.report.completed = result.is_ok();
        let given_up = matches!(self.stage, WatchStage::GivenUp { .. });
        self.settle_giving_up();
        match result {
            Ok(()) if given_up => self.add_to_error("it completed all the same"),
            Ok(()) => {}
            Err(error) => {
                self.report.refused = error.is_refusal() && self.report.error.is_none();
                self.report.error.get_or_insert_with(|| error.into());
            }
        }
        self.stage = WatchStage::Returned { since: now };
    }

    /// Whether all events that matter have arrived.
    pub(super) fn has_settled(&self) -> bool {
        !self.is_out(Call::AbortJob) && (self.report.error.is_some() || self.report.stats.is_some())
    }

    /// Resumes a guest that this watch suspended and that is still on the source; otherwise ends.
    pub(super) fn resume_or_end(&mut self, now: Instant) {
        if self.suspended && !self.report.completed {
            self.stage = WatchStage::Resuming { since: now };
            self.ask(Call::Resume, now);
        } else {
            self.stage = WatchStage::Over;
        }
    }
}
