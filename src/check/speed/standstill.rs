//! A disk that stands still: it completes no synced write of an arrived guest for too long, however fast all others are.
//!
//! The time between two completed writes is judged, and not a write's own: the witness reads a record before it overwrites it, and
//! such a read hangs as well; and a write that never ends has no length.

use std::time::Duration;

use super::about::{ABOUT, STANDS_STILL};
use super::seen::SeenStay;
use super::totals::Totals;
use crate::check::Proof;

/// The finding about a stay in which no synced write was completed for longer than the limit, as far as that was there. Time in which
/// the guest waited for a CPU is not its disk's: where that is not known, there is no finding. Neither is time in which the storage's
/// server waited for its own disks.
pub fn standstill(seen: &SeenStay<'_>, stalls: &Totals, limit: Duration) -> Option<Proof> {
    let stands = seen.pace.unsynced.iter().filter_map(|gap| {
        let (from, until) = (gap.from.max(seen.from), (gap.from + gap.length).min(seen.left));
        // Both may come together, and then count once.
        let excused = seen.pace.away(from, until)?.max(stalls.between(from, until));
        let long = until.checked_duration_since(from)?.saturating_sub(excused);
        (long > limit).then(|| (from - seen.from, long))
    });
    let (after, long) = stands.max_by_key(|(_, long)| *long)?;
    let expected = format!(
        "the disk of an arrived guest completes a read and a synced write at least every {:.3} s, want of CPU and a busy disk of \
         the storage aside",
        limit.as_secs_f64()
    );
    let told = format!(
        "its disk stood still for {:.3} s, {:.3} s after its start",
        long.as_secs_f64(),
        after.as_secs_f64()
    );
    Some(Proof::new(&ABOUT, false, expected, told).advise(&STANDS_STILL))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::super::MS;
    use super::*;
    use crate::check::GuestPace;
    use crate::probe::Gap;

    /// What is found of a time without a completed write, in a stay from 10 s to 30 s, by a limit of 4 s.
    fn told(unsynced: (u32, u32), away: Option<&[(u32, u32)]>) -> Option<String> {
        told_with_stalls(unsynced, away, &[])
    }

    /// The finding of a time without a completed write, where the storage's server had waited for its disks for so long at some moments.
    fn told_with_stalls(
        unsynced: (u32, u32),
        away: Option<&[(u32, u32)]>,
        stalled: &[(u32, u32)],
    ) -> Option<String> {
        let begin = Instant::now();
        let at = |ms: u32| begin + ms * MS;
        let gap = |(from, length): &(u32, u32)| Gap { from: at(*from), length: *length * MS };
        let pace = GuestPace {
            gaps: away.map(|gaps| gaps.iter().map(gap).collect()),
            unsynced: vec![gap(&(8_900, 130)), gap(&unsynced), gap(&(28_900, 130))],
            ..GuestPace::in_a_test(at(30_000))
        };
        let seen = SeenStay {
            pace: &pace,
            waits: Totals::NONE,
            from: at(10_000),
            until: at(20_000),
            left: at(30_000),
        };
        let stalls = Totals::sampled(stalled.iter().map(|(ms, total)| (at(*ms), *total * MS)));
        standstill(&seen, &stalls, 4000 * MS).map(|proof| proof.seen)
    }

    #[rstest]
    #[case::after_arrival((12_000, 8000), Some("its disk stood still for 8.000 s, 2.000 s after its start"))]
    #[case::begun_on_its_way((9_000, 8000), Some("its disk stood still for 7.000 s, 0.000 s after its start"))]
    #[case::most_of_it_on_its_way((5_000, 8000), None)]
    #[case::before((1_000, 8000), None)]
    #[case::as_it_left((27_000, 8000), None)]
    #[case::for_a_moment((12_000, 4000), None)]
    fn a_standstill_counts_where_the_guest_has_arrived(
        #[case] unsynced: (u32, u32),
        #[case] found: Option<&str>,
    ) {
        assert_eq!(told(unsynced, Some(&[])).as_deref(), found);
    }

    #[test]
    fn a_server_that_waits_for_its_own_disks_stops_every_guest() {
        let stalled_for_6_s = [(11_000, 500), (13_000, 500), (19_000, 6_500), (20_000, 6_500)];
        assert_eq!(told_with_stalls((12_000, 8000), Some(&[]), &stalled_for_6_s), None);
        let found = told_with_stalls((12_000, 8000), Some(&[]), &[(11_000, 500), (20_000, 1400)]).unwrap();
        assert!(found.contains(" 7.200 s, "), "a busy disk stalls a little all the time: {found}");
    }

    #[test]
    fn a_guest_without_a_cpu_has_no_disk_that_stands_still() {
        let half: [(u32, u32); 2] = [(11_000, 2000), (15_000, 4000)];
        assert_eq!(told((12_000, 8000), Some(&half)), None);
        assert!(told((12_000, 8000), Some(&half[..1])).unwrap().contains(" 7.000 s, "));
        assert_eq!(told((12_000, 8000), None), None, "nobody knows for how long it had none");
    }
}
