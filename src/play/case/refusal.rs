//! A refusal by the stack. A case believes it only of a stack that does what every stack can.

use super::Case;
use crate::check::RefusedMigration;
use crate::migration::LegReport;
use crate::plan::{Leg, Step};
use crate::play::machines::Machines;
use crate::scenario::{Scenario, Transport};

impl<M: Machines> Case<'_, '_, '_, '_, M> {
    /// Takes the refusal of a transport, before any migration has completed.
    pub(super) fn refused(&mut self, leg: Leg, report: &LegReport) {
        let Some(error) = &report.error else { return };
        self.open.refused.get_or_insert(leg);
        self.journal.refused(error.to_string());
    }

    /// Proves that the refusal is about the transport: the guest makes the move and its way back without it.
    pub(super) fn judge_refusal(&mut self) {
        let Some((leg, words)) = self.open.refused.zip(self.journal.refusal().map(str::to_owned)) else {
            return;
        };
        if self.journal.has_damage() || self.machines.stop_flag().is_set() {
            return;
        }
        let otherwise = if self.log.has_completed() {
            Err("other guests of the scenario migrated by it".to_owned())
        } else {
            self.migrates_plainly(leg)
        };
        let guest = &self.machines.guests()[leg.guest];
        let refusal = RefusedMigration { guest, leg, words: &words, otherwise };
        self.panel.ask(self.journal, |check| check.on_refusal(&refusal));
    }

    fn migrates_plainly(&self, leg: Leg) -> Result<(), String> {
        let plain = Scenario { transport: Transport::Plain, ..*self.scenario };
        for direction in [leg.direction, leg.direction.opposite()] {
            let step = Step::of(vec![Leg { direction, ..leg }]);
            if let Some(error) = self.machines.play_unheard(&plain, &step, self.context.pace) {
                return Err(format!("a plain migration {direction} fails, too: {error}"));
            }
        }
        Ok(())
    }
}
