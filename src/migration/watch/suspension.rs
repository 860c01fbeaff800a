//! Suspends a guest whose time is up, and ends the suspension.

use std::time::Instant;

use super::{LegWatch, WatchStage};
use crate::libvirt;
use crate::migration::job::Call;
use crate::scenario::AtTimeout;

impl LegWatch<'_> {
    /// Notes that the guest stood still before its last pass.
    pub(super) fn note_suspension(&mut self, at: Instant) {
        if self.plan.mode.row().may_suspend {
            self.report.suspended.get_or_insert(at.saturating_duration_since(self.began));
        }
    }

    /// Whether to stop the guest's CPUs, as virsh's --timeout-suspend does: the guest then dirties nothing, and the
    /// migration completes.
    pub(super) fn wants_suspension(&self, now: Instant) -> bool {
        let waited = self.out.get(&Call::Suspend).is_none_or(|since| now < *since + self.limits.answer);
        // libvirt allows it only while QEMU migrates, not while it prepares the migration: the watch keeps trying for the
        // length of another timeout.
        let tried = now >= self.began + 2 * self.plan.timeout && !self.is_out(Call::Suspend);
        self.plan.mode.row().may_suspend
            && self.plan.at_timeout != AtTimeout::Abort
            && !self.suspended
            && waited
            && !tried
    }

    pub(super) fn on_suspend(&mut self, answer: libvirt::Result<()>, now: Instant) {
        match answer {
            Ok(()) => {
                self.suspended = true;
                self.note_suspension(now);
                self.time_up = now + self.plan.timeout.max(self.limits.suspended);
            }
            Err(_) => self.suspend_again = now + self.limits.repeat,
        }
    }

    pub(super) fn on_resume(&mut self, answer: libvirt::Result<()>) {
        if let Err(error) = answer {
            self.add_to_error(&format!("it is suspended and could not be resumed: {error}"));
        }
        self.stage = WatchStage::Over;
    }
}
