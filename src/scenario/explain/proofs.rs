//! What is proved in a scenario, as it is explained.

use humantime::format_duration;

use crate::scenario::{AtTimeout, Mode, Order, Profile, Scenario};

impl Scenario {
    pub(super) fn proofs(&self, profile: &Profile) -> Vec<String> {
        let mut lines = vec!["Proved for every guest that moved, after each leg:".to_owned()];
        lines.extend(self.proofs_of_a_leg(profile).into_iter().map(|proof| format!("  - {proof}")));
        if self.boots_while_it_migrates() {
            lines.push(
                "A guest that is still booting is proved as far as it has come; boot id, pattern, records and connection are those of its latest start."
                    .to_owned(),
            );
        }
        let aside = if self.boots_while_it_migrates() { ", boots aside" } else { "" };
        lines.push(format!(
            "Proved for every guest during the whole scenario: it answers a probe every {}; no gap is longer than {}{aside}.",
            format_duration(profile.probe_interval),
            format_duration(profile.max_gap)
        ));
        lines.push(
            "Proved at the end: `qemu-img check` finds nothing wrong with the image of any guest.".to_owned(),
        );
        lines
    }

    /// The probe stream spans the whole scenario and is told apart.
    fn proofs_of_a_leg(&self, profile: &Profile) -> Vec<String> {
        let drift = format_duration(profile.max_clock_drift);
        let mut proofs = vec![
            "exactly one copy: running on the host it should be on and not on the other; both are watched all the time".to_owned(),
            "no reboot: boot id unchanged, uptime grew".to_owned(),
            "memory intact: the pattern was rewritten meanwhile, and every page of it is verified".to_owned(),
            "disk intact: the records that were written meanwhile are read back with their checksums".to_owned(),
            "kernels clean: no new oops, call trace, warning, lockup, hung task, RCU stall or I/O error in the kernel logs of the guest and of both hosts".to_owned(),
            "load was real: it was there and consuming, sampled during the migration".to_owned(),
            format!(
                "clock sane: since the scenario began the guest's realtime clock moved by no more than {drift} against its host's"
            ),
            "still connected: the ssh connection opened before the first move answers".to_owned(),
        ];
        proofs.push(
            match (self.mode, profile.at_timeout) {
                (Mode::Precopy, AtTimeout::Abort | AtTimeout::Suspend) => {
                    "it was live: the guest was not suspended so that the migration could complete"
                }
                (Mode::Precopy, AtTimeout::SuspendAllowed) => {
                    "it was live, or it is reported that the guest was suspended so that the migration could complete"
                }
                (Mode::Postcopy, _) => "it was post-copy: QEMU switched, after the first pre-copy pass",
            }
            .to_owned(),
        );
        if self.order == Order::Cross {
            proofs.push(
                "it crossed: the migrations of both directions were under way at the same time".to_owned(),
            );
        }
        proofs
    }
}
