//! Loss: probes to a guest that has arrived, or their answers, vanish on the way, while others come.

use std::time::Duration;

use super::about::{ABOUT, LOSSY};
use super::heard::Heard;
use crate::check::Proof;
use crate::probe::COUNTED;

/// Out of how many probes one may be lost: of 1384 guests in healthy scenarios on two CPUs none lost any but in silences.
const ONE_IN: u32 = 5;

/// Fewer probes outside of silences prove no loss.
const LEAST_PROBES: u32 = 100;

/// The finding about a stay in which the network answered, and lost too many probes of some `window`.
pub fn lossy(heard: &Heard<'_>, window: Duration) -> Option<Proof> {
    let parts = Heard::parts(&heard.pieces, window, COUNTED).map(|part| {
        let counted = part.iter().map(|piece| (piece.sent, piece.answered));
        counted.fold((0, 0), |all, piece| (all.0 + piece.0, all.1 + piece.1))
    });
    let lost = parts.map(|(sent, answered): (u32, u32)| (sent.saturating_sub(answered), sent));
    let too_many = lost.filter(|(lost, sent)| *sent >= LEAST_PROBES && lost * ONE_IN > *sent);
    let (lost, sent) = too_many.max_by_key(|(lost, _)| *lost)?;
    let expected = format!("at most one of {ONE_IN} probes is lost on the way to an arrived guest or back");
    Some(
        Proof::new(&ABOUT, false, expected, format!("{lost} of {sent} probes were lost, beside silences"))
            .advise(&LOSSY),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::check::stays::Stay;
    use crate::plan::{Direction, Leg};
    use crate::probe::{Counts, Gap, Summary};

    const MS: Duration = Duration::from_millis(1);

    /// A stay that begins at 1000 ms and ends at 5000 ms, in which so many of ten probes are answered, and none for some time.
    fn loss(answered: u32, silent: (u32, u32)) -> Option<String> {
        let begin = Instant::now();
        let at = |ms: u32| begin + ms * MS;
        let leg = Leg { guest: 0, direction: Direction::Out, round: 1 };
        let stay = Stay { leg, from: at(1000), until: Some(at(5000)), left: None };
        let mut counts = Counts::new(begin);
        let (silent_from, silent_until) = silent;
        for ms in (0..6000).step_by(10) {
            counts.sent(at(ms));
            if ms / 10 % 10 < answered && !(silent_from..silent_until).contains(&ms) {
                counts.answered(at(ms), MS);
            }
        }
        let gap = Gap { from: at(silent_from), length: (silent_until - silent_from) * MS };
        let summary = Summary {
            guest: "vm1".into(),
            sent: 600,
            received: 500,
            counts,
            gaps: vec![gap],
            longest: gap,
            readings: Vec::new(),
            bursts: Vec::new(),
            stalls: Default::default(),
        };
        lossy(&Heard::new(&summary, &stay), 4000 * MS).map(|proof| proof.seen)
    }

    #[test]
    fn lost_probes_are_told_from_silence() {
        assert_eq!(loss(10, (900, 1300)), None);
        assert_eq!(loss(10, (2000, 4000)), None, "a silence has a limit of its own");
        assert_eq!(loss(9, (900, 1300)), None);
        assert_eq!(loss(7, (900, 1300)).as_deref(), Some("111 of 370 probes were lost, beside silences"));
        assert_eq!(loss(3, (1000, 4500)), None, "too few");
    }
}
