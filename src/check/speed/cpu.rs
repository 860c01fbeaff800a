//! CPU time: the share of the time in which a guest got a CPU when it wanted one, in a whole stay and in the worst part of it. Time in which
//! others kept all CPUs of its host busy does not count.

use std::time::{Duration, Instant};

use super::baseline::Baseline;
use super::pace::share;
use super::seen::{SeenStay, seen_for};
use super::slowdown::Slowdown;
use crate::check::Advice;

pub const ADVICE: Advice = Advice::new(
    "a guest gets too little CPU where it has arrived",
    "virsh schedinfo and vcpuinfo there: has its control group a quota, is the host busy, is its QEMU stopped? MULTIVM_MAX_SLOWDOWN \
     sets the limit",
);

/// The words about stays whose share of the CPU nobody knows; none if it is known of all.
pub fn unknown(seen: &[SeenStay<'_>]) -> Option<String> {
    let unknown = seen.iter().filter(|seen| seen.pace.gaps.is_none()).count();
    let of = if unknown < seen.len() { format!(" of {unknown} of {}", seen.len()) } else { String::new() };
    (unknown > 0)
        .then(|| format!("CPU{of} not judged, since the guest had more waits for it to tell than it keeps"))
}

/// A guest for which its host had a CPU in less time is not judged: a few samples say little.
const LEAST_TIME: Duration = Duration::from_secs(1);

/// Compares the share of the time in which guests got CPU with the one before, of those that kept all that there was to tell. The
/// share in the worst `window` of a stay counts as much as the one in all stays: a quota that is there for a while only is
/// diluted by the rest of a stay.
pub fn cpu(seen: &[SeenStay<'_>], before: &Baseline, window: Duration) -> Option<Slowdown> {
    let was = before.cpu?;
    let known: Vec<SeenStay<'_>> = seen.iter().filter(|seen| seen.pace.gaps.is_some()).copied().collect();
    let long = seen_for(&known, |seen| seen.until)?;
    let waited: Duration = known.iter().map(|seen| seen.waits.between(seen.from, seen.until)).sum();
    let halted = known.iter().map(|seen| seen.pace.halted(seen.from, seen.until)).sum();
    let had_one = long.saturating_sub(halted).saturating_sub(waited);
    if had_one < LEAST_TIME {
        let told =
            format!("CPU not judged: others kept those of its host busy for {:.1} s", waited.as_secs_f64());
        return Some(Slowdown { name: "CPU", advice: &ADVICE, times: 0.0, recovered: None, told });
    }
    let awake: Option<Duration> =
        known.iter().map(|seen| seen.pace.awake(seen.from, seen.until.max(seen.from))).sum();
    let mean = share(awake?, had_one).min(1.0);
    let worst = known.iter().filter_map(|seen| worst_share(seen, window)).min_by(f64::total_cmp);
    let is = worst.into_iter().fold(mean, f64::min);
    let worst =
        worst.map(|worst| format!(", {:.0} % in the worst {:.1} s", worst * 100.0, window.as_secs_f64()));
    let busy = share(waited, long);
    let busy = if busy < 0.05 {
        String::new()
    } else {
        format!(" (others kept the host busy in {:.0} %)", busy * 100.0)
    };
    let told = format!(
        "CPU when it was due in {:.0} % of the time{}, {:.0} % before{busy}",
        mean * 100.0,
        worst.unwrap_or_default(),
        was * 100.0
    );
    // One that got none at all is as slow as one that got a thousandth.
    Some(Slowdown { name: "CPU", advice: &ADVICE, times: was / is.max(0.001), recovered: None, told })
}

/// The share of the time in which a guest got CPU in the worst part of a stay that is as long as `window`; none if the stay is not
/// longer than that, or others kept the host busy.
fn worst_share(seen: &SeenStay<'_>, window: Duration) -> Option<f64> {
    let last = seen.until.checked_sub(window).filter(|last| *last > seen.from)?;
    let gaps = seen.pace.gaps.as_ref()?;
    // The worst part begins with a gap, or ends with one.
    let begins = gaps.iter().flat_map(|gap| [Some(gap.from), (gap.from + gap.length).checked_sub(window)]);
    let within = |at: &Instant| (seen.from..=last).contains(at);
    let begins = begins.flatten().filter(within).chain([seen.from, last]);
    let share_from = |from: Instant| {
        let ran = window.saturating_sub(seen.pace.halted(from, from + window));
        let had_one = ran.saturating_sub(seen.waits.between(from, from + window));
        let awake = seen.pace.awake(from, from + window).filter(|_| had_one >= LEAST_TIME)?;
        Some(share(awake, had_one).min(1.0))
    };
    begins.filter_map(share_from).min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::super::MS;
    use super::super::totals::Totals;
    use super::*;
    use crate::check::GuestPace;
    use crate::probe::Gap;

    /// What is seen of a stay of 12 s at a limit of 4 s, in which the guest lacks its CPU for 190 ms of each 200 ms of some time.
    fn times(throttled: std::ops::Range<u32>) -> f64 {
        times_of(throttled, 0)
    }

    /// The same where the guest waits for a CPU of its host for so many milliseconds of each second.
    fn times_of(throttled: std::ops::Range<u32>, waits_ms: u32) -> f64 {
        let begin = Instant::now();
        let gap = |ms: u32| Gap {
            from: begin + ms * MS,
            length: if throttled.contains(&ms) { 190 * MS } else { 20 * MS },
        };
        let pace = GuestPace {
            gaps: Some((0..12_000).step_by(200).map(gap).collect()),
            ..GuestPace::in_a_test(begin + 12_000 * MS)
        };
        let waits = Totals::sampled((0..=12).map(|s| (begin + s * 1000 * MS, s * waits_ms * MS)));
        let seen = SeenStay { pace: &pace, waits: &waits, from: begin, until: pace.heard, left: pace.heard };
        cpu(&[seen], &Baseline { cpu: Some(0.9), ..Baseline::default() }, 4000 * MS).unwrap().times
    }

    #[test]
    fn a_quota_for_a_part_of_a_stay_is_not_diluted_by_the_rest() {
        for throttled in [0..5000, 3000..8000, 7000..12_000] {
            assert!(times(throttled.clone()) > 17.0, "{throttled:?}");
        }
        assert!(times(3000..5000) < 2.0);
        assert!(times(0..0) < 1.1);
    }

    #[test]
    fn a_host_that_others_keep_busy_is_no_slowdown() {
        assert!(times_of(0..12_000, 0) > 17.0);
        assert!(times_of(0..12_000, 700) < 6.0);
        assert!(times_of(3000..8000, 700) < 6.0);
        // A guest that gets little of what is there is found all the same.
        assert!(times_of(0..12_000, 200) > 14.0);
        // For less than a second in 12 s there was a CPU for it.
        assert_eq!(times_of(0..12_000, 950), 0.0);
    }

    #[test]
    fn a_guest_that_was_halted_together_with_multivm_lacked_no_cpu() {
        let begin = Instant::now();
        let gap = |ms: u32, length: u32| Gap { from: begin + ms * MS, length: length * MS };
        let times = |gaps: Vec<Gap>, halts: Vec<Gap>| {
            let pace = GuestPace { gaps: Some(gaps), halts, ..GuestPace::in_a_test(begin + 32_000 * MS) };
            let seen = SeenStay {
                pace: &pace,
                waits: Totals::NONE,
                from: begin,
                until: pace.heard,
                left: pace.heard,
            };
            cpu(&[seen], &Baseline { cpu: Some(0.9), ..Baseline::default() }, 4000 * MS).unwrap().times
        };
        let halt = gap(5000, 25_000);
        assert!(times(vec![halt], Vec::new()) > 800.0, "nobody halted multivm");
        assert!(times(Vec::new(), vec![halt]) < 1.0);
        assert!(times(vec![gap(100, 4500)], vec![halt]) > 800.0, "it lacked some before as well");
    }

    #[test]
    fn a_stay_no_longer_than_the_part_is_judged_as_a_whole() {
        let begin = Instant::now();
        let pace = GuestPace {
            gaps: Some(vec![Gap { from: begin, length: 3000 * MS }]),
            ..GuestPace::in_a_test(begin + 4000 * MS)
        };
        let seen =
            SeenStay { pace: &pace, waits: Totals::NONE, from: begin, until: pace.heard, left: pace.heard };
        assert_eq!(worst_share(&seen, 4000 * MS), None);
        assert_eq!(worst_share(&seen, 3000 * MS), Some(0.0));
    }
}
