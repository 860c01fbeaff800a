//! The switch to post-copy: when the watch orders it, and how the order ends.

use std::time::Instant;

use super::LegWatch;
use super::switch_state::PostCopy;
use crate::failure::{Cause, FailureKind};
use crate::libvirt::{self, Switch};
use crate::migration::job::Call;

impl LegWatch<'_> {
    /// Takes the beginning of a pass over the memory.
    pub(super) fn on_pass(&mut self, pass: i32, now: Instant) {
        if !self.plan.mode.row().switches || pass < self.plan.switch_in_pass {
            return;
        }
        match self.post_copy {
            PostCopy::Waiting if pass == self.plan.switch_in_pass => {
                self.post_copy = PostCopy::Due(now + self.plan.switch_after);
            }
            // The pass in which the order was to come is over.
            PostCopy::Waiting | PostCopy::Due(_) => self.post_copy = PostCopy::Due(now),
            PostCopy::Ordered | PostCopy::Switched => {}
        }
    }

    /// QEMU has switched.
    pub(super) fn on_switched(&mut self, at: Instant) {
        self.post_copy = PostCopy::Switched;
        self.report.switchover = Some(at.saturating_duration_since(self.began));
    }

    pub(super) fn switch_if_due(&mut self, now: Instant) {
        if let PostCopy::Due(at) = self.post_copy
            && now >= at
        {
            self.ask(Call::StartPostCopy, now);
        }
    }

    pub(super) fn on_switch(&mut self, answer: libvirt::Result<Switch>, now: Instant) {
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
}
