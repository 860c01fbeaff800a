//! The clocks of one downtime in words, where they contradict each other.

use super::{Clocks, Disagreement, DowntimeClock};

impl Clocks {
    /// All disagreements in one sentence; none without any.
    pub fn disagreement(&self) -> Option<String> {
        let words: Vec<String> = self.disagreements.iter().filter_map(|one| self.words(*one)).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    fn words(&self, Disagreement { clock, with }: Disagreement) -> Option<String> {
        let told = self.told(clock)?;
        Some(match (with, self.told(with)) {
            (DowntimeClock::Migration, _) => {
                format!("{clock} says {told:.0} ms, longer than the migration took")
            }
            (DowntimeClock::Reported, _) => {
                format!("{clock} says {told:.0} ms of {:.0} ms reported", self.reported_ms)
            }
            (_, other) => format!("{clock} says {told:.0} ms, {with} {:.0} ms", other?),
        })
    }

    /// What a clock says; none for a clock that did not measure, or that another event has.
    fn told(&self, clock: DowntimeClock) -> Option<f64> {
        match clock {
            DowntimeClock::Network => self.network_ms,
            DowntimeClock::Guest => self.guest_ms,
            DowntimeClock::Libvirt => self.libvirt_ms,
            DowntimeClock::Qemu => self.qemu_ms,
            DowntimeClock::Reported => Some(self.reported_ms),
            DowntimeClock::Migration => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disagreement_is_said_with_what_both_clocks_say() {
        let disagreement = |clock, with| Disagreement { clock, with };
        let clocks = Clocks {
            reported_ms: 205.4,
            network_ms: Some(200.0),
            guest_ms: Some(410.0),
            libvirt_ms: Some(20.0),
            qemu_ms: Some(9000.0),
            disagreements: vec![
                disagreement(DowntimeClock::Network, DowntimeClock::Guest),
                disagreement(DowntimeClock::Libvirt, DowntimeClock::Reported),
                disagreement(DowntimeClock::Qemu, DowntimeClock::Migration),
            ],
            ..Clocks::default()
        };
        let said = "the network says 200 ms, the guest 410 ms; libvirt says 20 ms of 205 ms reported; \
                    QEMU says 9000 ms, longer than the migration took";
        assert_eq!(clocks.disagreement().as_deref(), Some(said));
        assert_eq!(Clocks::default().disagreement(), None);
        let text = serde_json::to_string(&clocks.disagreements[1]).unwrap();
        assert_eq!(text, r#"{"clock":"libvirt","with":"reported"}"#);
    }
}
